//! kubectl against the host, a current and an older one: every command a person uses, with what it prints.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::host::Host;
use koinon_tests::informer::{Encoding, FirstState, Informer};
use koinon_tests::kubectl::Kubectl;
use koinon_tests::world::story;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'example.org/web:1'}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {a: '1'}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
";

/// One command and what must be in what it prints.
type Step = (&'static str, &'static [&'static str]);

/// Reads and writes, in an order that needs only what came before.
const TOUR: &[Step] = &[
    ("version", &["Client Version", "Server Version: v1.36"]),
    (
        "api-resources",
        &["deployments", "deploy", "apps/v1", "globalrecords", "koinon.io/v1alpha1", "Cluster"],
    ),
    ("api-versions", &["apps/v1", "koinon.io/v1alpha1"]),
    ("explain deployment.spec.strategy", &["KIND:", "Deployment", "rollingUpdate", "type"]),
    ("explain propagationpolicy.spec.placement", &["clusterAffinity", "replicaScheduling", "FIELDS"]),
    ("get deployments", &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "web", "0/2"]),
    ("get deploy web -o wide", &["CONTAINERS", "IMAGES", "SELECTOR", "example.org/web:1", "app=web"]),
    (
        "get deploy web -o yaml",
        &["apiVersion: apps/v1", "replicas: 2", "progressDeadlineSeconds: 600", "uid:"],
    ),
    ("get deploy web -o json", &["\"kind\": \"Deployment\"", "\"revisionHistoryLimit\": 10"]),
    ("get deploy web -o jsonpath={.spec.replicas}", &["2"]),
    ("get deploy,cm,svc -l app=web --show-labels", &["deployment.apps/web", "configmap/settings", "app=web"]),
    ("get cm --field-selector metadata.name=settings", &["settings"]),
    ("get cm -A --sort-by=.metadata.name", &["NAMESPACE", "settings"]),
    ("get services", &["TYPE", "CLUSTER-IP", "PORT(S)", "ClusterIP", "80/TCP"]),
    ("get namespaces", &["default", "kube-system", "Active"]),
    ("describe deployment web", &["Name:", "web", "Replicas:", "2 desired", "example.org/web:1"]),
    ("describe configmap settings", &["Data", "a:"]),
    ("label deployment web tier=gold", &["labeled"]),
    ("annotate deployment web note=kept", &["annotated"]),
    ("scale deployment web --replicas=3", &["scaled"]),
    (
        "get deploy web -o jsonpath={.spec.replicas}/{.metadata.generation}/{.metadata.labels.tier}",
        &["3/", "gold"],
    ),
    ("set image deployment/web web=example.org/web:2", &["image updated"]),
    (
        "patch deployment web -p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"web\",\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}]}}}}",
        &["patched"],
    ),
    ("patch deployment web --type=merge -p {\"spec\":{\"paused\":true}}", &["patched"]),
    ("patch deployment web --type=json -p [{\"op\":\"remove\",\"path\":\"/spec/paused\"}]", &["patched"]),
    (
        "get deploy web -o jsonpath={.spec.template.spec.containers[0].image}{.spec.template.spec.containers[0].env[0].value}",
        &["example.org/web:2b"],
    ),
    ("rollout history deployment/web", &["deployment.apps/web"]),
    ("create configmap made --from-literal=x=y", &["configmap/made created"]),
    ("create secret generic hidden --from-literal=p=q", &["secret/hidden created"]),
    ("create namespace elsewhere", &["namespace/elsewhere created"]),
    ("create deployment other --image=example.org/other -n elsewhere", &["created"]),
    ("get all -n elsewhere", &["deployment.apps/other"]),
    ("auth can-i create deployments", &["yes"]),
    ("delete configmap made", &["deleted"]),
    ("delete namespace elsewhere --timeout=30s", &["deleted"]),
    ("wait --for=delete configmap/made --timeout=5s", &[]),
    ("wait --for=jsonpath={.spec.replicas}=3 deployment/web --timeout=5s", &["condition met"]),
];

async fn tour(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(WEB).await?;
    let unchanged = kubectl.apply(WEB).await?;
    ensure!(unchanged.matches("unchanged").count() == 3, "a second apply says {unchanged}");
    let mut wrong = Vec::new();
    for (command, wanted) in TOUR {
        let arguments: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let answer = kubectl.answer(&arguments, "").await?;
        let missing: Vec<&str> =
            wanted.iter().copied().filter(|text| !answer.stdout.contains(text)).collect();
        if !answer.success || !missing.is_empty() {
            wrong
                .push(format!("kubectl {command}\n  misses {missing:?}: {}{}", answer.stdout, answer.stderr));
        }
    }
    ensure!(wrong.is_empty(), "{} commands are not as users know them:\n{}", wrong.len(), wrong.join("\n"));
    kubectl.run(["delete", "deploy/web", "cm/settings", "svc/web", "secret/hidden"]).await.map(drop)
}

async fn differences_and_ownership(kubectl: &Kubectl) -> Result<()> {
    let apply = ["apply", "--server-side", "--filename=-"];
    let applied = kubectl.run_with_input(apply, WEB).await?;
    ensure!(applied.contains("serverside-applied"), "server-side apply says {applied}");
    let changed = WEB.replace("replicas: 2", "replicas: 5");
    let diff = ["diff".to_owned(), "--server-side".to_owned(), "--filename=-".to_owned()];
    let answer = kubectl.answer(&diff, &changed).await?;
    ensure!(
        !answer.success && answer.stdout.contains("+  replicas: 5"),
        "diff says {}{}",
        answer.stdout,
        answer.stderr
    );
    let other = [
        "apply".to_owned(),
        "--server-side".to_owned(),
        "--field-manager=other".to_owned(),
        "--filename=-".to_owned(),
    ];
    let answer = kubectl.answer(&other, &changed).await?;
    ensure!(
        !answer.success
            && answer.stderr.contains("conflict with \"kubectl\"")
            && answer.stderr.contains(".spec.replicas"),
        "another manager is told {}",
        answer.stderr
    );
    let edit = [
        "patch",
        "cm/settings",
        "--type=merge",
        "-p",
        "{\"metadata\":{\"finalizers\":[\"example.org/hold\"]}}",
    ];
    kubectl.run(edit).await?;
    kubectl.run(["delete", "cm/settings", "--wait=false"]).await?;
    let held = kubectl.run(["get", "cm/settings", "-o", "jsonpath={.metadata.deletionTimestamp}"]).await?;
    ensure!(!held.is_empty(), "an object with a finalizer is gone at once");
    kubectl
        .run(["patch", "cm/settings", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"])
        .await?;
    kubectl.run(["wait", "--for=delete", "cm/settings", "--timeout=5s"]).await?;
    kubectl.run(["delete", "deploy/web", "svc/web"]).await.map(drop)
}

#[test]
fn kubectl_works_as_users_know_it() {
    story("kubectl_works_as_users_know_it", Duration::from_secs(300), async |world| {
        let host = Host::start(world, "host", &["--dns=off"]).await?;
        tour(host.kubectl()).await.context("kubectl of the host's own version")?;
        tour(&host.kubectl().older()?).await.context("the older kubectl")?;
        differences_and_ownership(host.kubectl()).await?;
        differences_and_ownership(&host.kubectl().older()?).await
    });
}

#[test]
fn informers_sync_with_the_host() {
    story("informers_sync_with_the_host", Duration::from_secs(120), async |world| {
        let host = Host::start(world, "host", &["--dns=off"]).await?;
        host.kubectl().apply(WEB).await?;
        for first_state in [FirstState::WatchList, FirstState::ListThenWatch] {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                let mut informer = Informer::start(&host.kubeconfig(), first_state, encoding).await?;
                let has = |object: &str| informer.first_state().iter().any(|seen| seen == object);
                ensure!(
                    has("configmaps default/settings") && has("deployments default/web"),
                    "the first state is {:?}",
                    informer.first_state()
                );
                let mark = format!("seen={first_state:?}-{encoding:?}");
                host.kubectl().run(["label", "--overwrite", "configmap/settings", &mark]).await?;
                let change = informer.next_change(Duration::from_secs(20)).await?;
                ensure!(change.starts_with("updated configmaps default/settings "), "the change is {change}");
            }
        }
        Ok(())
    });
}
