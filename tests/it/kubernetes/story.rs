//! The main path from end to end, on three real clusters: placed by weight, kept, named, lost, back, gone.
#![expect(clippy::print_stdout, reason = "cargo shows it when a test fails, or with --nocapture")]

pub(crate) mod shop;
mod sums;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use koinon_tests::clock::{eventually, throughout};
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::member::{Member, Shape};
use koinon_tests::world::story;

use shop::{IMAGE, IMAGE_OVERRIDDEN, MANIFESTS, NAME, REPLICAS};
use sums::Sums;

/// Two busy cores; on idle ones everything takes a few seconds.
const SOON: Duration = Duration::from_secs(60);

/// From a refused connection to the verdict.
const REFUSED_MAX: Duration = Duration::from_secs(6);

/// From a hung connection to the verdict.
const HUNG_MAX: Duration = Duration::from_secs(10);

/// What a busy machine may add to a verdict's time, and nothing else: the bars are for an idle one.
const SLACK: Duration = Duration::from_secs(4);

/// Longer than any verdict takes: what did not happen by then does not happen.
const LONG_ENOUGH: Duration = Duration::from_secs(15);

#[test]
fn a_shop_is_placed_kept_lost_and_back_again() {
    story("a_shop_is_placed_kept_lost_and_back_again", Duration::from_secs(900), async |world| {
        let names = ["on-prem", "cloud-a", "cloud-b"];
        let mut members = Member::start_all(world, &names, &Shape::default()).await?;
        let host = Host::start(world, "host", &[]).await?;
        for member in &members {
            host.join(member.name(), member.kubeconfig(), &["--region", "eu"]).await?;
        }
        is_placed(&host, &members).await?;
        is_named(&host, &members).await?;
        let sums = Sums::watch(&host, &members).await?;
        is_kept(&host, &members).await?;
        survives_the_loss_of_an_api(&host, &mut members).await?;
        for loss in [Loss::Killed, Loss::Hung] {
            survives_the_loss_of_a_cluster(&host, &mut members, &sums, loss).await?;
        }
        brakes(&host, &mut members, &sums).await?;
        println!("sums: {}", sums.verdict()?);
        drop(sums);
        leaves(&host, &members).await
    });
}

/// 10 replicas at 3:1:1 are 6, 2 and 2; what they need goes with them; one cluster has another image.
async fn is_placed(host: &Host, members: &[Member]) -> Result<()> {
    host.kubectl().apply(MANIFESTS).await?;
    let rollout = ["rollout", "status", "deployment/shop", "-n", "shop", "--timeout=60s"];
    let said = host.kubectl().run(rollout).await?;
    ensure!(said.contains("successfully rolled out"), "kubectl rollout status says {said}");
    run(members, &[6, 2, 2]).await?;
    for member in members {
        shop::needs_are_there(member).await?;
        let wanted = if member.name() == "cloud-b" { IMAGE_OVERRIDDEN } else { IMAGE };
        ensure!(shop::image(member).await? == wanted, "{} runs another image", member.name());
    }
    let explained = host.koinon(&["explain", "deployment/shop", "-n", "shop"]).await?;
    ensure!(explained.stdout.contains("on-prem"), "koinon explain says {}", explained.stdout);
    println!("placed 6/2/2\n{}", explained.stdout);
    Ok(())
}

async fn is_named(host: &Host, members: &[Member]) -> Result<()> {
    let all: BTreeSet<String> = members.iter().map(|member| member.ip().to_string()).collect();
    answers_with(host, &all, SOON).await?;
    println!("named: {NAME} answers with {all:?}");
    Ok(())
}

/// What a hand changed in a member is undone, and what the owner changes arrives.
async fn is_kept(host: &Host, members: &[Member]) -> Result<()> {
    let [on_prem, ..] = members else { bail!("three were started") };
    let before = shop::deployment(on_prem).await?.metadata.generation;
    on_prem.kubectl().run(["scale", "deployment/shop", "-n", "shop", "--replicas=1"]).await?;
    let start = Instant::now();
    eventually(SOON, "a hand's change is undone", async || {
        let generation = shop::deployment(on_prem).await?.metadata.generation;
        ensure!(generation > before && shop::replicas(on_prem).await? == 6, "it is not");
        anyhow::Ok(())
    })
    .await?;
    println!("drift undone after {:.2} s", start.elapsed().as_secs_f64());
    run(members, &[6, 2, 2]).await?;
    host.kubectl().run(["set", "image", "deployment/shop", "-n", "shop", "shop=example.org/shop:2"]).await?;
    let rollout = ["rollout", "status", "deployment/shop", "-n", "shop", "--timeout=60s"];
    host.kubectl().run(rollout).await?;
    for member in members {
        let image = shop::image(member).await?;
        ensure!(image.ends_with("/shop:2"), "{} runs {image} after the rollout", member.name());
    }
    run(members, &[6, 2, 2]).await
}

/// A cluster whose API is gone and whose endpoints answer still serves: nothing moves, names stay.
async fn survives_the_loss_of_an_api(host: &Host, members: &mut [Member]) -> Result<()> {
    members.first_mut().context("three were started")?.stop_api().await?;
    has_state(host, "on-prem", "ControlPlaneOnly", REFUSED_MAX + SLACK).await?;
    let all: BTreeSet<String> = members.iter().map(|member| member.ip().to_string()).collect();
    throughout(LONG_ENOUGH, "nothing moves", async || {
        for member in &members[1..] {
            ensure!(shop::replicas(member).await? == 2, "replicas moved to {}", member.name());
        }
        ensure!(state(host, "on-prem").await? == "ControlPlaneOnly", "the verdict changed");
        anyhow::Ok(())
    })
    .await?;
    ensure!(answers(host).await? == all, "the name left a cluster whose endpoints answer");
    members[0].start_again().await?;
    has_state(host, "on-prem", "Ready", SOON).await?;
    println!("an API was lost and came back; nothing moved");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Killed,
    Hung,
}

/// A lost cluster's address leaves the answers, its replicas move; when it is back they return at their pace.
async fn survives_the_loss_of_a_cluster(
    host: &Host,
    members: &mut [Member],
    sums: &Sums,
    loss: Loss,
) -> Result<()> {
    sums.ready_may_fall();
    let start = Instant::now();
    let noticed_max = match loss {
        Loss::Killed => {
            members[0].kill().await?;
            REFUSED_MAX
        }
        Loss::Hung => {
            members[0].pause();
            HUNG_MAX
        }
    };
    has_state(host, "on-prem", "Unreachable", noticed_max + SLACK).await?;
    println!("{loss:?}: noticed after {:.1} s", start.elapsed().as_secs_f64());
    let survivors: BTreeSet<String> = members[1..].iter().map(|member| member.ip().to_string()).collect();
    answers_with(host, &survivors, SOON).await?;
    run(&members[1..], &[5, 5]).await?;
    println!("{loss:?}: moved after {:.1} s", start.elapsed().as_secs_f64());
    let said = host.koinon(&["status"]).await?;
    ensure!(said.stdout.contains("Unreachable"), "koinon status says {}", said.stdout);
    sums.ready_must_hold();
    let start = Instant::now();
    match loss {
        Loss::Killed => members[0].start_again().await?,
        Loss::Hung => members[0].resume().await?,
    }
    run(members, &[6, 2, 2]).await?;
    let all: BTreeSet<String> = members.iter().map(|member| member.ip().to_string()).collect();
    answers_with(host, &all, SOON).await?;
    println!("{loss:?}: back as before after {:.1} s; {}", start.elapsed().as_secs_f64(), sums.verdict()?);
    Ok(())
}

/// Two of three lost at once are presumed our own fault: nothing is evicted, and the host says so.
async fn brakes(host: &Host, members: &mut [Member], sums: &Sums) -> Result<()> {
    sums.ready_may_fall();
    members[0].kill().await?;
    members[1].kill().await?;
    has_state(host, "on-prem", "Unreachable", REFUSED_MAX + SLACK).await?;
    has_state(host, "cloud-a", "Unreachable", REFUSED_MAX + SLACK).await?;
    throughout(LONG_ENOUGH, "the brake holds", async || {
        let replicas = shop::replicas(&members[2]).await?;
        ensure!(replicas == 2, "cloud-b was told to run {replicas}");
        anyhow::Ok(())
    })
    .await?;
    let explained = host.koinon(&["explain", "deployment/shop", "-n", "shop"]).await?;
    ensure!(
        explained.stdout.contains("brake"),
        "koinon explain does not tell of the brake: {}",
        explained.stdout
    );
    println!("two of three lost: the brake held\n{}", explained.stdout);
    members[0].start_again().await?;
    members[1].start_again().await?;
    run(members, &[6, 2, 2]).await
}

/// A cluster that leaves is pruned; a template that is deleted goes everywhere.
async fn leaves(host: &Host, members: &[Member]) -> Result<()> {
    let [on_prem, cloud_a, cloud_b] = members else { bail!("three were started") };
    let left = host.koinon(&["unjoin", "cloud-b", "--objects", "prune"]).await?;
    ensure!(left.success, "koinon unjoin failed: {}", left.stderr);
    shop::is_gone(cloud_b).await?;
    let n_left = REPLICAS;
    eventually(SOON, "the others take over", async || {
        let sum = shop::replicas(on_prem).await? + shop::replicas(cloud_a).await?;
        ensure!(sum == n_left, "they run {sum}");
        anyhow::Ok(())
    })
    .await?;
    host.kubectl().run(["delete", "deployment/shop", "service/shop", "-n", "shop"]).await?;
    for member in [on_prem, cloud_a] {
        eventually(SOON, format!("everything is gone from {}", member.name()), async || {
            shop::is_gone(member).await
        })
        .await?;
    }
    println!("left, deleted: nothing remains");
    Ok(())
}

/// Waits until each member runs as many replicas as `wanted` says, all of them ready.
async fn run(members: &[Member], wanted: &[i32]) -> Result<()> {
    eventually(SOON, format!("the members run {wanted:?}"), async || {
        for (member, wanted) in members.iter().zip(wanted) {
            shop::runs(member, *wanted).await?;
        }
        anyhow::Ok(())
    })
    .await
}

/// Waits until the name answers with every address of `wanted` and with no other.
///
/// One client gets one answer for a while, so clients of many networks ask.
async fn answers_with(host: &Host, wanted: &BTreeSet<String>, deadline: Duration) -> Result<()> {
    eventually(deadline, format!("{NAME} answers with {wanted:?}"), async || {
        let seen = answers(host).await?;
        ensure!(seen == *wanted, "it answers with {seen:?}");
        anyhow::Ok(())
    })
    .await
}

/// The addresses that clients of many networks get now.
async fn answers(host: &Host) -> Result<BTreeSet<String>> {
    /// The smallest share is a fifth: all of so many clients miss it once in 7,000 times, and then ask again.
    const CLIENTS: u8 = 40;
    let questions = (1..=CLIENTS).map(async |network| {
        let client = format!("127.200.{network}.1");
        let answer = dig::ask(host.dns_address(), NAME, "A", &["-b", &client]).await?;
        ensure!(answer.status == "NOERROR", "{NAME} is answered with {}", answer.status);
        Ok(answer.records.into_iter().filter(|record| record.kind == "A").map(|record| record.data))
    });
    Ok(futures::future::try_join_all(questions).await?.into_iter().flatten().collect())
}

async fn state(host: &Host, cluster: &str) -> Result<String> {
    host.kubectl().run(["get", "cluster", cluster, "-o", "jsonpath={.status.state}"]).await
}

async fn has_state(host: &Host, cluster: &str, wanted: &str, deadline: Duration) -> Result<()> {
    eventually(deadline, format!("{cluster} is {wanted}"), async || {
        let state = state(host, cluster).await?;
        ensure!(state == wanted, "it is {state}");
        anyhow::Ok(())
    })
    .await
}
