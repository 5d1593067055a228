//! Transcripts: what is done and what is seen, as a person could read it aloud, on simulated members.
//!
//! Each file is a story of `command`, `----`, `output`. `REWRITE=1` writes the outputs that were seen; review them then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use datadriven::TestCase;
use futures::future::try_join_all;
use koinon_simulator::{Config, Fault, Member};
use koinon_tests::address::Address;
use koinon_tests::clock::eventually;
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::kubectl::Kubectl;
use koinon_tests::world::{World, story};

use crate::kubernetes::story::shop::{MANIFESTS, NAME};

/// Two busy cores; a verdict takes six seconds, a return three more.
const SOON: Duration = Duration::from_secs(40);

/// The clusters of every story.
const NAMES: [&str; 3] = ["on-prem", "cloud-a", "cloud-b"];

#[test]
fn the_shop_on_simulated_members() {
    story("the_shop_on_simulated_members", Duration::from_secs(240), async |world| {
        let mut stage =
            Stage { host: Host::start(world, "host", &[]).await?, world, members: BTreeMap::new() };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/it/transcripts");
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            datadriven::walk(folder, |file| {
                file.run(|case| -> String {
                    match runtime.block_on(stage.act(case)) {
                        Ok(seen) if seen.is_empty() || seen.ends_with('\n') => seen,
                        Ok(seen) => seen + "\n",
                        Err(error) => format!("error: {error:#}\n"),
                    }
                });
            });
        });
        Ok(())
    });
}

struct Stage<'a> {
    world: &'a World,
    host: Host,
    members: BTreeMap<&'static str, Played>,
}

struct Played {
    member: Member,
    kubectl: Kubectl,
    /// Keeps the address ours.
    _address: Address,
}

impl Stage<'_> {
    /// Carries one command of a transcript out and tells what was seen.
    async fn act(&mut self, case: &mut TestCase) -> Result<String> {
        let words: Vec<&str> = case.input.split_whitespace().collect();
        match case.directive.as_str() {
            "members" => {
                self.join(&named(case)).await?;
                self.states(&named(case), "Ready", Show::WithNames).await
            }
            "apply" => self.host.kubectl().apply(MANIFESTS).await,
            "kubectl" => self.host.kubectl().run(words).await,
            "koinon" => Ok(timeless(&self.host.koinon(&words).await?.stdout)),
            "member" => {
                let name = named(case).into_iter().next().context("expected: member NAME")?;
                self.played(name)?.kubectl.run(words).await
            }
            "await" => self.wait_for(case).await,
            "lose" => self.lose(case).await,
            "heal" => {
                for name in named(case) {
                    self.played(name)?.member.heal();
                }
                self.states(&named(case), "Ready", Show::Alone).await
            }
            other => bail!("{other} is no command of a transcript"),
        }
    }

    async fn join(&mut self, names: &[&'static str]) -> Result<()> {
        let played = try_join_all(names.iter().map(|name| self.play(name))).await?;
        self.members.extend(names.iter().copied().zip(played));
        Ok(())
    }

    /// Starts one member and joins it.
    async fn play(&self, name: &str) -> Result<Played> {
        let address = Address::claim()?;
        let member = Member::start(Config::new(name, address.ip())).await?;
        let folder = self.world.room(name)?;
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, member.kubeconfig())?;
        self.host.join(name, &kubeconfig, &[]).await?;
        let kubectl = Kubectl::new(&kubeconfig, &folder.join("kubectl-cache"))?;
        Ok(Played { member, kubectl, _address: address })
    }

    fn played(&self, name: &str) -> Result<&Played> {
        self.members.get(name).with_context(|| format!("{name} has not joined"))
    }

    async fn lose(&mut self, case: &mut TestCase) -> Result<String> {
        let how: String = case.take_arg("how").context("expected: how=api, how=refused or how=hung")?;
        let names = named(case);
        for name in &names {
            let member = &self.played(name)?.member;
            match how.as_str() {
                "api" => member.fail_api(Fault::Refused),
                "refused" => member.fail(Fault::Refused),
                "hung" => member.fail(Fault::Hung),
                other => bail!("how={other}: expected api, refused or hung"),
            }
        }
        let wanted = if how == "api" { "ControlPlaneOnly" } else { "Unreachable" };
        self.states(&names, wanted, Show::Alone).await
    }

    /// Waits until the host believes this of each cluster, and tells what it believes then.
    async fn states(&self, names: &[&'static str], wanted: &str, show: Show) -> Result<String> {
        let mut seen = String::new();
        for name in names {
            let state = async || {
                self.host.kubectl().run(["get", "cluster", name, "-o", "jsonpath={.status.state}"]).await
            };
            // What is not seen in time is shown as it is: the transcript judges.
            let _ = eventually(SOON, "the verdict", async || {
                let state = state().await?;
                ensure!(state == wanted, "it is {state}");
                anyhow::Ok(())
            })
            .await;
            seen.push_str(&match show {
                Show::WithNames => format!("{name} {}\n", state().await?),
                Show::Alone => format!("{}\n", state().await?),
            });
        }
        Ok(seen)
    }

    /// Waits until replicas and names are as awaited.
    async fn wait_for(&self, case: &mut TestCase) -> Result<String> {
        let mut replicas = BTreeMap::new();
        for name in NAMES {
            replicas.extend(case.try_take_arg::<usize>(name)?.map(|count| (name, count)));
        }
        let names: Option<Vec<String>> = case.try_take_args("name")?;
        let looked = eventually(SOON, "what is awaited", async || {
            for (name, count) in &replicas {
                let path = "jsonpath={.spec.replicas}/{.status.readyReplicas}";
                let look = ["get", "deployment", "shop", "-n", "shop", "--ignore-not-found", "-o", path];
                let seen = self.played(name)?.kubectl.run(look).await?;
                let wanted = if *count == 0 { String::new() } else { format!("{count}/{count}") };
                ensure!(seen == wanted, "{name} has {seen}");
            }
            if let Some(names) = &names {
                let wanted: BTreeSet<String> = names.iter().cloned().collect();
                let seen = self.answered().await?;
                ensure!(seen == wanted, "{NAME} answers with {seen:?}");
            }
            anyhow::Ok(())
        });
        looked.await.map(|()| "as awaited".to_owned())
    }

    /// The clusters that the name answers with, to clients of many networks.
    async fn answered(&self) -> Result<BTreeSet<String>> {
        let ask = async |network: u8| {
            let client = format!("127.200.{network}.1");
            dig::ask(self.host.dns_address(), NAME, "A", &["-b", &client]).await
        };
        let answers = try_join_all((1..=40).map(ask)).await?;
        let records = answers.into_iter().flat_map(|answer| answer.records);
        let owner = |address: String| {
            let owner = self.members.values().find(|played| played.member.ip().to_string() == address);
            owner.map_or(address, |played| played.member.name().to_owned())
        };
        Ok(records.map(|record| owner(record.data)).collect())
    }
}

/// How a verdict is shown.
#[derive(Clone, Copy)]
enum Show {
    WithNames,
    Alone,
}

/// The text with a word in place of each time, which no transcript can know.
fn timeless(text: &str) -> String {
    let is_time = |word: &&str| word.trim_end_matches(';').parse::<jiff::Timestamp>().is_ok();
    let times: Vec<&str> = text.split_whitespace().filter(is_time).collect();
    times.iter().fold(text.to_owned(), |text, time| text.replace(time.trim_end_matches(';'), "(time)"))
}

/// The clusters that a command names, in the order of every story.
fn named(case: &TestCase) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| case.args.contains_key(*name)).collect()
}
