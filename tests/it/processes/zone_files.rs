//! A zone file is taken in, answered to a client that is not ours, and written out again.

use std::time::Duration;

use anyhow::{Result, ensure};
use koinon_tests::clock::eventually;
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::world::story;

const FILE: &str = r#"$ORIGIN zone.example.
$TTL 1h
@       SOA  ns1 hostmaster ( 2024010101 2h 15m 2w 30 ) ; the serial is Koinon's own
        NS   ns1
        MX   10 mail
        CAA  0 issue "ca.example.net"
ns1     A    192.0.2.53
mail    A    192.0.2.25
www     HTTPS 1 . alpn="h2,h3" port=8443
        A    192.0.2.80
old     DNAME new
app.new 5m A 192.0.2.99
_443._tcp.www TLSA 3 1 1 0D6FCE13243AA7
odd     TYPE65400 \# 2 00FF
"#;

/// What is asked after the import: name, type, code, and the data in the order of types.
const ANSWERS: &[(&str, &str, &str, &[&str])] = &[
    ("zone.example", "MX", "NOERROR", &["10 mail.zone.example."]),
    ("ns1.zone.example", "A", "NOERROR", &["192.0.2.53"]),
    ("www.zone.example", "TYPE65", "NOERROR", &["1 . alpn=\"h2,h3\" port=8443"]),
    ("app.old.zone.example", "A", "NOERROR", &["new.zone.example.", "app.new.zone.example.", "192.0.2.99"]),
    ("no.old.zone.example", "A", "NXDOMAIN", &["new.zone.example.", "no.new.zone.example."]),
    ("_443._tcp.www.zone.example", "TLSA", "NOERROR", &["3 1 1 0D6FCE13243AA7"]),
    ("odd.zone.example", "TYPE65400", "NOERROR", &["\\# 2 00FF"]),
];

#[test]
fn a_zone_file_is_imported_answered_and_exported() {
    story("a_zone_file_is_imported_answered_and_exported", Duration::from_secs(120), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        let file = world.folder().join("zone.example.zone");
        let path = file.to_string_lossy().into_owned();

        std::fs::write(&file, format!("{FILE}bad A nonsense\n"))?;
        let refused = host.koinon(&["dns", "import", &path]).await?;
        let told = refused.stderr.contains("line 15") && refused.stderr.contains("an IPv4 address");
        ensure!(!refused.success && told, "the refusal does not say what and where: {}", refused.stderr);

        std::fs::write(&file, FILE)?;
        let shown = host.koinon(&["dns", "import", &path, "--dry-run"]).await?;
        ensure!(shown.success && shown.stdout.contains("kind: DnsZone"), "dry run: {shown:?}");
        let stored = host.kubectl().run(["get", "dnszones", "-o", "name"]).await?;
        ensure!(stored.trim().is_empty(), "a dry run stored {stored}");

        let imported = host.koinon(&["dns", "import", &path]).await?;
        let said =
            imported.stdout.contains("9 records") && imported.stdout.contains("2024010101 is not kept");
        ensure!(imported.success && said, "import: {imported:?}");
        answers(&host).await?;

        let exported = host.koinon(&["dns", "export", "zone.example"]).await?;
        ensure!(exported.success, "export: {exported:?}");
        std::fs::write(&file, &exported.stdout)?;
        let again = host.koinon(&["dns", "import", &path]).await?;
        ensure!(again.success, "what was exported is not imported: {again:?}");
        let once_more = host.koinon(&["dns", "export", "zone.example"]).await?;
        let records =
            |text: &str| text.lines().filter(|line| !line.contains(" SOA ")).map(str::to_owned).collect();
        let (before, after): (Vec<String>, Vec<String>) =
            (records(&exported.stdout), records(&once_more.stdout));
        ensure!(before == after, "the zone changed on its way: {before:?}, {after:?}");

        let unknown = host.koinon(&["dns", "export", "other.example"]).await?;
        ensure!(unknown.stderr.contains("there are: zone.example"), "unknown zone: {}", unknown.stderr);
        Ok(())
    });
}

async fn answers(host: &Host) -> Result<()> {
    let look = async || {
        let answer = dig::ask(host.dns_address(), "zone.example", "SOA", &[])
            .await
            .map_err(|error| format!("{error:#}"))?;
        if answer.status == "NOERROR" { Ok(()) } else { Err(answer.status) }
    };
    eventually(Duration::from_secs(30), "the zone is served", look).await?;
    for (name, kind, status, wanted) in ANSWERS {
        let answer = dig::ask(host.dns_address(), name, kind, &[]).await?;
        let data: Vec<&str> = answer.records.iter().map(|record| record.data.as_str()).collect();
        ensure!(answer.status == *status && data == *wanted, "{name} {kind}: {} {data:?}", answer.status);
    }
    Ok(())
}
