//! Where the host cannot start, it says why and what to do, and ends with a failure.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use koinon_tests::address::Address;
use koinon_tests::host::Host;
use koinon_tests::kubectl::{self, Answer};
use koinon_tests::world::story;
use koinon_tests::{assets, dig};

/// Starts `koinon server` on its own address and gives how it ended.
async fn serve(data: &Path, listen: &str, dns_listen: &str) -> Result<Answer> {
    let mut command = tokio::process::Command::new(assets::koinon()?);
    command.args(["server", "--listen", listen, "--dns-listen", dns_listen, "--data-dir"]).arg(data);
    kubectl::finish(command, "").await
}

fn is_refused(answer: &Answer, words: &[&str]) -> Result<()> {
    ensure!(!answer.success, "it started although it could not");
    for word in words {
        ensure!(answer.stderr.contains(word), "the message does not say {word}: {}", answer.stderr);
    }
    let lines = answer.stderr.lines().filter(|line| line.starts_with("koinon: ")).count();
    ensure!(lines == 1, "the message is not one line: {}", answer.stderr);
    Ok(())
}

#[test]
fn a_host_that_cannot_start_says_why() {
    story("a_host_that_cannot_start_says_why", Duration::from_secs(120), async |world| {
        let address = Address::claim()?;
        let (api, dns) = (address.port(6443).to_string(), address.port(5353).to_string());

        let taken = tokio::net::TcpListener::bind(address.port(6443)).await?;
        is_refused(&serve(&world.room("taken")?, &api, &dns).await?, &[&api, "--listen"])?;
        drop(taken);

        let taken = std::net::UdpSocket::bind(address.port(5353))?;
        is_refused(&serve(&world.room("taken-dns")?, &api, &dns).await?, &[&dns, "--dns-listen"])?;
        drop(taken);

        let file = world.folder().join("a-file");
        std::fs::write(&file, "not a folder")?;
        is_refused(&serve(&file.join("data"), &api, &dns).await?, &["a-file", "--data-dir"])?;

        let corrupt = world.room("corrupt")?;
        std::fs::write(corrupt.join("store.redb"), "this is no database at all, and never was")?;
        is_refused(&serve(&corrupt, &api, &dns).await?, &["store.redb"])?;
        Ok(())
    });
}

#[test]
fn a_data_folder_has_one_host() {
    story("a_data_folder_has_one_host", Duration::from_secs(120), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        let address = Address::claim()?;
        let (api, dns) = (address.port(6443).to_string(), address.port(5353).to_string());
        is_refused(&serve(&host.data_folder(), &api, &dns).await?, &["store.redb"])
    });
}

#[test]
fn a_host_starts_with_nothing_and_stops_cleanly() {
    story("a_host_starts_with_nothing_and_stops_cleanly", Duration::from_secs(120), async |world| {
        let mut host = Host::start(world, "host", &[]).await?;
        let version = host.kubectl().run(["version"]).await?;
        ensure!(version.contains("Server Version"), "kubectl version says {version}");
        let refused = dig::ask(host.dns_address(), "nowhere.example", "A", &[]).await?;
        ensure!(refused.status == "REFUSED", "a name of nobody is answered with {}", refused.status);
        let status = host.stop().await?;
        ensure!(status.success(), "SIGTERM ends it with {status}");
        host.start_again().await?;
        host.kubectl().run(["get", "namespaces"]).await.map(drop)
    });
}
