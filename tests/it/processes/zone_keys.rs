//! A signed zone in a host, under a parent that is not ours: Knot.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use koinon_dns::delegation::{self, Lookup, Verdict, Wanted};
use koinon_tests::address::Address;
use koinon_tests::clock::eventually;
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::process::{Process, unless_ended};
use koinon_tests::world::{World, story};
use serde_json::{Value, json};

/// The port of every name server here, so that one is found by its address alone.
const PORT: u16 = 5353;

/// A parent is looked at every half minute; a busy machine takes as long again.
const SOON: Duration = Duration::from_secs(90);

/// Knot with one zone, until this is dropped.
struct Knot {
    address: Address,
    process: Process,
    run: RunFolder,
}

/// Where its control socket is: the path of a socket has room for some hundred letters, which a test's folder takes.
struct RunFolder(PathBuf);

impl RunFolder {
    fn of(address: &Address) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("koinon-knot-{}", address.ip()));
        std::fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // What is left lies in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Knot {
    /// Serves a zone from this text; Knot signs it itself where `options` say so.
    async fn start(world: &World, address: Address, zone: &str, text: &str, options: &str) -> Result<Self> {
        let folder = world.room(&format!("knot-{zone}-{}", address.ip()))?;
        std::fs::write(folder.join("zone"), text)?;
        std::fs::create_dir_all(folder.join("db"))?;
        let run = RunFolder::of(&address)?;
        let (path, listen, run_path) = (folder.display(), address.ip(), run.0.display());
        let config = format!(
            "server:\n  rundir: {run_path}\n  listen: {listen}@{PORT}\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: {path}/db\n\
             policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    cds-cdnskey-publish: always\n\
             zone:\n  - domain: {zone}\n    file: {path}/zone\n{options}"
        );
        std::fs::write(folder.join("knot.conf"), config)?;
        let mut command = Command::new("knotd");
        command.arg("-c").arg(folder.join("knot.conf"));
        let process = Process::start("knotd", command, &folder.join("knot.log"));
        let process = process.context("failed to run knotd (package knot)")?;
        let server = address.port(PORT);
        let serves = eventually(SOON, format!("Knot serves {zone}"), async || {
            let answer = dig::ask(server, zone, "SOA", &[]).await?;
            ensure!(answer.records.len() == 1, "it says {}", answer.status);
            anyhow::Ok(())
        });
        unless_ended([&process], serves).await?;
        Ok(Self { address, process, run })
    }

    fn server(&self) -> SocketAddr {
        self.address.port(PORT)
    }

    /// Serves another text from the same address.
    async fn again(self, world: &World, zone: &str, text: &str) -> Result<Self> {
        let Self { address, process, run } = self;
        process.kill().await?;
        drop(run);
        Self::start(world, address, zone, text, "").await
    }
}

/// The zone `example`, with what it says of `signed.example`.
fn parent(address: &Address, delegation: &str) -> String {
    format!(
        "$ORIGIN example.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 3600 60\n@ NS ns\nns A {}\n{delegation}\n",
        address.ip()
    )
}

fn zone(host: &Host, dnssec: &str) -> String {
    format!(
        "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {{name: signed.example}}
spec:
  soa: {{mname: ns1.signed.example, rname: hostmaster.example, ttlSeconds: 1, negativeTtlSeconds: 0}}
  nameServers: [{{name: ns1.signed.example, addresses: [{}]}}]
{dnssec}
",
        host.ip()
    )
}

/// What `koinon dns doctor` says: the whole, and whether all is well.
async fn doctor(host: &Host, resolver: SocketAddr) -> Result<(Value, bool)> {
    let (resolver, port) = (resolver.to_string(), PORT.to_string());
    let arguments =
        ["dns", "doctor", "signed.example", "--resolver", &resolver, "--port", &port, "-o", "json"];
    let answer = host.koinon(&arguments).await?;
    ensure!(answer.stderr.is_empty(), "the doctor fails: {}", answer.stderr);
    Ok((serde_json::from_str(&answer.stdout)?, answer.success))
}

fn check<'a>(report: &'a Value, what: &str) -> Result<&'a Value> {
    let checks = report["checks"].as_array().context("a list of checks")?;
    let found =
        checks.iter().find(|check| check["check"].as_str().is_some_and(|name| name.starts_with(what)));
    found.with_context(|| format!("there is no check of {what}: {report:#}"))
}

async fn status(host: &Host) -> Result<Value> {
    let text = host.kubectl().run(["get", "dnszone", "signed.example", "-o", "json"]).await?;
    Ok(serde_json::from_str::<Value>(&text)?["status"].clone())
}

/// Waits until a condition has this reason.
async fn says(host: &Host, condition: &str, reason: &str) -> Result<()> {
    eventually(SOON, format!("{condition} is {reason}"), async || {
        let status = status(host).await?;
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        let found = conditions.any(|said| said["type"] == condition && said["reason"] == reason);
        ensure!(found, "the status is {status:#}");
        Ok(())
    })
    .await
}

#[test]
fn the_doctor_says_what_the_parent_lacks_until_it_has_it() {
    story("the_doctor_says_what_the_parent_lacks_until_it_has_it", Duration::from_secs(300), async |world| {
        let above = Address::claim()?;
        let resolver = above.port(PORT);
        let options = [format!("--dns-resolver={resolver}"), format!("--dns-peer-port={PORT}")];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut host = Host::start(world, "host", &options).await?;
        host.kubectl().apply(&zone(&host, "")).await?;
        says(&host, "Served", "Published").await?;

        let wrong = parent(&above, "signed NS ns9.signed\nns9.signed A 127.0.0.9");
        let knot = Knot::start(world, above, "example", &wrong, "").await?;
        let (report, is_well) = doctor(&host, knot.server()).await?;
        let ns = check(&report, "NS at the parent")?;
        ensure!(!is_well && ns["verdict"] == "Bad", "another name server is delegated to: {report:#}");
        let remedy = ns["remedy"].as_str().unwrap_or_default();
        ensure!(remedy.contains("exactly ns1.signed.example."), "it does not say what to do: {remedy}");

        let delegated = format!("signed NS ns1.signed\nns1.signed A {}", host.ip());
        let good = parent(&knot.address, &delegated);
        let knot = knot.again(world, "example", &good).await?;
        let (report, is_well) = doctor(&host, knot.server()).await?;
        ensure!(is_well, "an unsigned zone that is delegated: {report:#}");
        for what in
            ["parent example.", "NS at the parent", "glue ns1", "DS at the parent", "server ns1", "serial"]
        {
            ensure!(check(&report, what)?["verdict"] == "Good", "{what}: {report:#}");
        }

        host.kubectl().apply(&zone(&host, "  dnssec: {propagationSeconds: 0}")).await?;
        let ds = eventually(SOON, "the parent may have a DS record", async || {
            let status = status(&host).await?;
            let ds = status["dnssec"]["ds"][0].as_str().map(str::to_owned);
            ds.with_context(|| format!("the status is {status:#}"))
        })
        .await?;
        says(&host, "DelegationSecure", "DsMissing").await?;
        let (report, is_well) = doctor(&host, knot.server()).await?;
        let missing = check(&report, "DS at the parent")?;
        let remedy = missing["remedy"].as_str().unwrap_or_default();
        ensure!(!is_well && remedy.contains(&ds), "it does not name the DS record: {report:#}");

        let trusting = parent(&knot.address, &format!("{delegated}\nsigned 60 DS {ds}"));
        let knot = knot.again(world, "example", &trusting).await?;
        says(&host, "DelegationSecure", "DsPublished").await?;
        let (report, _) = doctor(&host, knot.server()).await?;
        ensure!(check(&report, "DS at the parent")?["verdict"] == "Good", "{report:#}");
        ensure!(report["parentMustHave"].as_array().is_some_and(|all| all.len() == 3), "{report:#}");

        let before = status(&host).await?["dnssec"].clone();
        host.kill().await?;
        host.start_again().await?;
        let keys = status(&host).await?["dnssec"]["keys"].clone();
        ensure!(keys == before["keys"] && keys.as_array().map(Vec::len) == Some(1), "{keys} after a restart");
        says(&host, "Signed", "Published").await?;

        lose_the_master_key(&mut host, &before).await
    });
}

/// Without its master key a host keeps the keys it has, says so, and makes no other ones.
async fn lose_the_master_key(host: &mut Host, before: &Value) -> Result<()> {
    let file = host.data_folder().join("dnssec-master.key");
    let bytes = std::fs::read(&file).context("failed to read the master key")?;
    ensure!(is_private(&file)?, "others may read the master key");
    host.kill().await?;
    std::fs::remove_file(&file)?;
    host.start_again().await?;
    says(host, "Signed", "KeysLost").await?;
    ensure!(!file.exists(), "another master key was drawn");
    ensure!(status(host).await?["dnssec"]["keys"] == before["keys"], "the keys are others");
    host.kill().await?;
    std::fs::write(&file, bytes)?;
    host.start_again().await?;
    says(host, "Signed", "Published").await?;
    ensure!(status(host).await?["dnssec"]["keys"] == before["keys"], "the keys are others");
    Ok(())
}

fn is_private(file: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(file)?.permissions().mode() & 0o077 == 0)
}

#[test]
fn what_knot_signs_is_valid_and_under_another_key_it_is_not() {
    story(
        "what_knot_signs_is_valid_and_under_another_key_it_is_not",
        Duration::from_secs(120),
        async |world| {
            let (above, below) = (Address::claim()?, Address::claim()?);
            let child = format!(
                "$ORIGIN signed.example.\n$TTL 60\n@ SOA ns1 hostmaster 1 60 60 3600 60\n@ NS ns1\nns1 A {}\n",
                below.ip()
            );
            let ip = below.ip();
            let signing = "    dnssec-signing: on\n    dnssec-policy: p\n";
            let child = Knot::start(world, below, "signed.example", &child, signing).await?;
            // Knot asks its parent for trust with the digest that the parent then has.
            let cds = eventually(SOON, "Knot asks for trust", async || {
                let answer = dig::ask(child.server(), "signed.example", "CDS", &[]).await?;
                let cds = answer.records.into_iter().find(|record| record.kind == "CDS");
                cds.map(|record| record.data).context("there is no CDS record")
            })
            .await?;
            let delegated = format!("signed NS ns1.signed\nns1.signed A {ip}\nsigned DS {cds}");
            let text = parent(&above, &delegated);
            let knot = Knot::start(world, above, "example", &text, "").await?;

            let zone = "signed.example.".parse()?;
            let lookup = Lookup { resolver: knot.server(), port: PORT };
            let name_servers = [("ns1.signed.example.".parse()?, [ip.into()].into())].into();
            let wanted = Wanted { name_servers, ds: [cds.parse()?].into(), is_signed: true };
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as u32;
            let view = delegation::look(lookup, &zone, &wanted, now).await;
            let checks = delegation::judge(&view, &wanted);
            let server = checks.iter().find(|check| check.what.starts_with("server")).context("a server")?;
            ensure!(checks.iter().all(|check| check.verdict != Verdict::Bad), "{checks:#?}");
            ensure!(server.found.contains("signed by"), "{server:?}");

            // A year later the same signatures have expired.
            let later = delegation::View { at: now + 366 * 86_400, ..view };
            let bad = delegation::judge(&later, &wanted);
            let Some(server) = bad.iter().find(|check| check.what.starts_with("server")) else {
                bail!("a server")
            };
            ensure!(server.verdict == Verdict::Bad && server.found.contains("not valid now"), "{server:?}");

            let mut other = cds.clone();
            other.replace_range(other.len() - 1.., if cds.ends_with('0') { "1" } else { "0" });
            let forged = parent(&knot.address, &delegated.replace(&cds, &other));
            let knot = knot.again(world, "example", &forged).await?;
            let view =
                delegation::look(Lookup { resolver: knot.server(), ..lookup }, &zone, &wanted, now).await;
            let bad = delegation::judge(&view, &wanted);
            let verdicts: Vec<Value> =
                bad.iter().map(|c| json!([c.what, format!("{:?}", c.verdict)])).collect();
            for what in ["DS at the parent", "server"] {
                let is_bad = bad.iter().any(|c| c.what.starts_with(what) && c.verdict == Verdict::Bad);
                ensure!(is_bad, "{what} is not found bad under another key: {verdicts:?}");
            }
            Ok(())
        },
    );
}
