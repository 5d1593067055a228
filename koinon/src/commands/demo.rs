//! `koinon demo`: the first minute of a new user. A host and three simulated clusters; then four short acts.
//!
//! Everything said is observed: replicas at the members' own APIs, the name as a resolver gets it. With `--script`
//! nobody is asked, and an act that is not seen fails the command.

mod sight;
mod stage;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

use crate::args::DemoArgs;
use crate::compose::observe;
use crate::exit::Outcome;
use crate::render;
use sight::{addresses, replicas, until};
use stage::Stage;

/// The name of the shop.
const NAME: &str = "shop.global.example.";

/// The longest any act takes on a busy machine.
const ACT_MAX: Duration = Duration::from_secs(60);

/// How it is told: to a person who goes on when ready, or straight through.
enum Audience {
    Person(Lines<BufReader<Stdin>>),
    Script,
}

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Outcome> {
    observe::log("error,kube_client=off");
    let mut audience = if args.script {
        Audience::Script
    } else {
        Audience::Person(BufReader::new(tokio::io::stdin()).lines())
    };
    let mut stage = Stage::set().await?;
    let told = tokio::select! {
        told = tell(&mut stage, &mut audience) => told,
        _ = tokio::signal::ctrl_c() => match audience {
            Audience::Person(_) => Ok(()),
            Audience::Script => Err(anyhow!("interrupted before every step was seen")),
        },
    };
    stage.clear().await;
    told.map(|()| Outcome::Ok)
}

async fn tell(stage: &mut Stage, audience: &mut Audience) -> anyhow::Result<()> {
    place(stage).await?;
    name(stage).await?;
    audience.wait("lose on-prem: its API and its endpoints stop answering").await?;
    lose(stage).await?;
    audience.wait("get on-prem back").await?;
    get_back(stage).await?;
    audience.play(stage).await
}

async fn place(stage: &Stage) -> anyhow::Result<()> {
    act("1  Place", "a shop with 10 replicas, weights 3:1:1");
    stage.apply_shop().await?;
    let took = until(ACT_MAX, "6, 2 and 2 ready replicas", async || runs(stage, &[6, 2, 2]).await).await?;
    say(&format!("on-prem 6 · cloud-a 2 · cloud-b 2, all ready after {:.1} s", took.as_secs_f64()));
    hint(&format!("koinon explain deployment/shop -n shop --kubeconfig {}", stage.kubeconfig().display()));
    hint(&format!("kubectl --kubeconfig {} get deploy,clusters -A", stage.kubeconfig().display()));
    Ok(())
}

async fn name(stage: &Stage) -> anyhow::Result<()> {
    act("2  Name", "shop.global.example answers with the clusters that run it");
    let all = stage.addresses(|_| true);
    until(ACT_MAX, "every cluster's address", async || answers(stage, &all).await).await?;
    for (cluster, address) in stage.members() {
        say(&format!("{address:15} {cluster}"));
    }
    hint(&format!("dig @{} -p {} shop.global.example", stage.dns().ip(), stage.dns().port()));
    hint(&format!("koinon resolve shop.global.example --kubeconfig {}", stage.kubeconfig().display()));
    Ok(())
}

async fn lose(stage: &mut Stage) -> anyhow::Result<()> {
    act("3  Lose", "on-prem is gone");
    stage.lose("on-prem").await?;
    let survivors = stage.addresses(|cluster| cluster != "on-prem");
    let named = until(ACT_MAX, "answers without on-prem", async || answers(stage, &survivors).await).await?;
    say(&format!("after {:.1} s no answer names on-prem", named.as_secs_f64()));
    let moved = until(ACT_MAX, "5 and 5 ready replicas", async || runs(stage, &[0, 5, 5]).await).await?;
    say(&format!(
        "{:.1} s later its 6 replicas are ready elsewhere: cloud-a 5 · cloud-b 5",
        moved.as_secs_f64()
    ));
    hint(&format!("koinon status --kubeconfig {}", stage.kubeconfig().display()));
    Ok(())
}

async fn get_back(stage: &mut Stage) -> anyhow::Result<()> {
    act("4  Return", "on-prem is back, and replicas go back slowly");
    stage.get_back("on-prem").await?;
    let back = until(ACT_MAX, "6, 2 and 2 ready replicas", async || runs(stage, &[6, 2, 2]).await).await?;
    say(&format!(
        "on-prem 6 · cloud-a 2 · cloud-b 2 again after {:.1} s: a wait, then step by step",
        back.as_secs_f64()
    ));
    let all = stage.addresses(|_| true);
    until(ACT_MAX, "every cluster's address", async || answers(stage, &all).await).await?;
    say("the name answers with all three again");
    hint(&format!(
        "kubectl --kubeconfig {} describe resourcebinding shop-deployment -n shop",
        stage.kubeconfig().display()
    ));
    Ok(())
}

/// Fails unless each present member runs as many ready replicas as `wanted` says.
async fn runs(stage: &Stage, wanted: &[i64]) -> anyhow::Result<()> {
    for ((cluster, api), wanted) in stage.apis().zip(wanted) {
        if stage.is_lost(cluster) {
            continue;
        }
        let seen = replicas(api).await?;
        ensure!(
            seen.wanted == *wanted && seen.ready == *wanted,
            "{cluster} has {} of {} ready",
            seen.ready,
            seen.wanted
        );
    }
    Ok(())
}

/// Fails unless the name answers with exactly `wanted`.
async fn answers(stage: &Stage, wanted: &BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
    let seen = addresses(stage.dns(), NAME).await?;
    ensure!(seen == *wanted, "it answers with {seen:?}");
    Ok(())
}

fn act(title: &str, about: &str) {
    render::print(&format!("\n{}  {about}\n", render::strong(title)));
}

fn say(text: &str) {
    render::print(&format!("   {text}\n"));
}

fn hint(command: &str) {
    render::print(&format!("   see it: {command}\n"));
}

// === impl Audience ===

impl Audience {
    /// Lets a person look around before the next act.
    async fn wait(&mut self, next: &str) -> anyhow::Result<()> {
        let Self::Person(lines) = self else { return Ok(()) };
        render::print(&format!("\n   Press Enter to {next}. "));
        match lines.next_line().await? {
            Some(_) => Ok(()),
            None => {
                render::print("\n");
                bail!("nobody is there to go on; run the whole tour with: koinon demo --script")
            }
        }
    }

    /// Leaves the fleet to the person, who may lose clusters and get them back.
    async fn play(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        let Self::Person(lines) = self else {
            say("every step was seen");
            return Ok(());
        };
        act(
            "The fleet is yours.",
            "Commands: lose CLUSTER, return CLUSTER, quit (or Ctrl-C); everything is cleaned up then.",
        );
        loop {
            render::print("> ");
            let Some(line) = lines.next_line().await? else { return Ok(()) };
            let words: Vec<&str> = line.split_whitespace().collect();
            let done = match words.as_slice() {
                [] => Ok(()),
                ["quit" | "exit" | "q"] => return Ok(()),
                ["lose", cluster] => stage.lose(cluster).await,
                ["return", cluster] => stage.get_back(cluster).await,
                _ => Err(anyhow::anyhow!("expected: lose CLUSTER, return CLUSTER or quit")),
            };
            if let Err(error) = done {
                say(&format!("{error:#}"));
            }
        }
    }
}
