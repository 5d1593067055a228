//! What must travel with a workload?
//!
//! It reads the names in a pod template: whatever pods cannot start without. What every cluster makes for itself (the `default`
//! service account, the cluster's root certificates) does not travel. Whether the objects exist is not asked here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::interpret::{Kind, items};

/// An object in the workload's namespace, of the core group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// Its kind: ConfigMap, Secret, ServiceAccount or PersistentVolumeClaim.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// Everything that a workload's pods name.
#[must_use]
pub fn follow(kind: Kind, template: &Value) -> BTreeSet<Dependency> {
    let mut found = Found::default();
    if let Some(pod) = kind.pod_spec(template) {
        found.account(&pod["serviceAccountName"]);
        for secret in items(&pod["imagePullSecrets"]) {
            found.note("Secret", &secret["name"]);
        }
        for volume in items(&pod["volumes"]) {
            found.volume(volume);
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in items(&pod[list]) {
                found.container(container);
            }
        }
    }
    found.0.retain(|dependency| dependency.name != "kube-root-ca.crt");
    found.0
}

#[derive(Default)]
struct Found(BTreeSet<Dependency>);

impl Found {
    fn note(&mut self, kind: &'static str, name: &Value) {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
            self.0.insert(Dependency { kind, name: name.to_owned() });
        }
    }

    fn account(&mut self, name: &Value) {
        if name != "default" {
            self.note("ServiceAccount", name);
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.note("ConfigMap", &volume["configMap"]["name"]);
        self.note("Secret", &volume["secret"]["secretName"]);
        self.note("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]);
        for source in items(&volume["projected"]["sources"]) {
            self.note("ConfigMap", &source["configMap"]["name"]);
            self.note("Secret", &source["secret"]["name"]);
        }
        // Drivers of all sorts take their credentials from a Secret of the pod's namespace.
        for driver in ["csi", "flexVolume", "cephfs", "rbd", "iscsi", "scaleIO", "storageos", "azureFile"] {
            let driver = &volume[driver];
            self.note("Secret", &driver["nodePublishSecretRef"]["name"]);
            self.note("Secret", &driver["secretRef"]["name"]);
            self.note("Secret", &driver["secretName"]);
        }
    }

    fn container(&mut self, container: &Value) {
        for source in items(&container["envFrom"]) {
            self.note("ConfigMap", &source["configMapRef"]["name"]);
            self.note("Secret", &source["secretRef"]["name"]);
        }
        for variable in items(&container["env"]) {
            self.note("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]);
            self.note("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_in_a_pod_template_is_followed() {
        let pod = json!({
            "serviceAccountName": "runner",
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [
                {"configMap": {"name": "settings"}},
                {"secret": {"secretName": "tls"}},
                {"persistentVolumeClaim": {"claimName": "data"}},
                {"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}, {"secret": {"name": "token"}}]}},
                {"csi": {"nodePublishSecretRef": {"name": "driver"}}},
                {"emptyDir": {}}],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "early"}}]}],
            "containers": [{
                "envFrom": [{"secretRef": {"name": "password"}}],
                "env": [
                    {"name": "A", "value": "b"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "b"}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "tls", "key": "c"}}}]}],
        });
        let found = follow(Kind::Deployment, &json!({"spec": {"template": {"spec": pod}}}));
        let names: Vec<String> = found.iter().map(|d| format!("{} {}", d.kind, d.name)).collect();
        assert_eq!(
            names,
            [
                "ConfigMap early",
                "ConfigMap flags",
                "ConfigMap settings",
                "PersistentVolumeClaim data",
                "Secret driver",
                "Secret password",
                "Secret registry",
                "Secret tls",
                "Secret token",
                "ServiceAccount runner",
            ]
        );
    }

    #[test]
    fn what_every_cluster_has_does_not_travel() {
        let template = json!({"spec": {"template": {"spec": {"serviceAccountName": "default"}}}});
        assert!(follow(Kind::Deployment, &template).is_empty());
        assert!(follow(Kind::Service, &template).is_empty());
    }
}
