//! The Go informers against a real kube-apiserver: what they say there is what the host must make them say.

use std::time::Duration;

use anyhow::{Result, ensure};
use koinon_tests::informer::{Encoding, FirstState, Informer};
use koinon_tests::member::{Member, Shape};
use koinon_tests::world::story;

#[test]
fn informers_sync_both_ways_and_follow() {
    story("informers_sync_both_ways_and_follow", Duration::from_secs(240), async |world| {
        let member = Member::start(world, "on-prem", Shape { n_nodes: 1, ..Shape::default() }).await?;
        member.kubectl().run(["create", "configmap", "settings", "--from-literal=a=b"]).await?;
        for first_state in [FirstState::WatchList, FirstState::ListThenWatch] {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                follows_a_change(&member, first_state, encoding).await?;
            }
        }
        Ok(())
    });
}

async fn follows_a_change(member: &Member, first_state: FirstState, encoding: Encoding) -> Result<()> {
    let mut informer = Informer::start(member.kubeconfig(), first_state, encoding).await?;
    let has_settings = informer.first_state().iter().any(|object| object == "configmaps default/settings");
    ensure!(has_settings, "the first state is {:?}", informer.first_state());
    let marked = format!("seen={first_state:?}-{encoding:?}");
    member.kubectl().run(["label", "--overwrite", "configmap/settings", &marked]).await?;
    let change = informer.next_change(Duration::from_secs(20)).await?;
    ensure!(change.starts_with("updated configmaps default/settings "), "the change is {change}");
    Ok(())
}
