//! A member dies and returns: replicas move, nothing is disturbed, and they go back.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;

use super::world::{World, policy, web};

/// Ten replicas and a quarter of them.
const ORDERED_MAX: i64 = 13;

async fn shop() -> Result<World> {
    let world = World::start().await?;
    world.create("PropagationPolicy", policy(&[("apps/v1", "Deployment")])).await?;
    world.create("Deployment", web()).await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.is_rolled_out().await?;
    Ok(world)
}

/// Fails unless the sums held whenever a member was told something, over the members that count.
fn sums_held(history: &[BTreeMap<String, i64>], over: &[&str]) -> Result<()> {
    for told in history {
        let sum: i64 = over.iter().filter_map(|name| told.get(*name)).sum();
        ensure!(sum <= ORDERED_MAX, "{told:?}");
    }
    Ok(())
}

#[tokio::test]
async fn replicas_leave_a_dead_member_and_return_step_by_step() -> Result<()> {
    let world = shop().await?;
    world.lose("on-prem").await?;
    // The dead member still has what it had.
    world.runs([Some(6), Some(5), Some(5)]).await?;
    world.is_rolled_out().await?;
    sums_held(&world.members.history(), &["cloud-a", "cloud-b"])?;
    let n_told = world.members.history().len();
    world
        .until("what it finds when it is back is the tombstone", |world| {
            let binding = world.binding("web-deployment")?;
            ensure!(binding["spec"]["evicted"][0]["cluster"] == "on-prem", "{}", binding["spec"]);
            ensure!(binding["spec"]["removing"] == json!(["on-prem"]), "{}", binding["spec"]);
            Ok(())
        })
        .await?;
    world.is_quiet().await?;
    world.regain("on-prem").await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    let all = ["on-prem", "cloud-a", "cloud-b"];
    let history = world.members.history();
    let back = &history[n_told..];
    ensure!(!back[0].contains_key("on-prem"), "the old copy goes first: {back:?}");
    sums_held(back, &all)?;
    let n_ready_least = back.iter().map(|told| told.values().sum::<i64>()).min();
    ensure!(n_ready_least >= Some(10), "{back:?}");
    let steps: Vec<i64> = back.iter().filter_map(|told| told.get("on-prem").copied()).collect();
    ensure!(steps.contains(&3) && steps.is_sorted(), "it returns in steps: {steps:?}");
    world.is_rolled_out().await?;
    world
        .until("nothing is left of it", |world| {
            let spec = world.binding("web-deployment")?["spec"].clone();
            ensure!(spec["evicted"].is_null() && spec["removing"].is_null(), "{spec}");
            Ok(())
        })
        .await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_survivor_gives_nothing_up_before_the_returned_replicas_are_ready() -> Result<()> {
    let world = shop().await?;
    world.lose("on-prem").await?;
    world.runs([Some(6), Some(5), Some(5)]).await?;
    world.is_quiet().await?;
    world.members.set_slow("on-prem", true, &world.fleet, &world.observations);
    world.regain("on-prem").await?;
    world.runs([Some(3), Some(5), Some(5)]).await?;
    world.is_quiet().await?;
    world.runs([Some(3), Some(5), Some(5)]).await?;
    world.members.set_slow("on-prem", false, &world.fleet, &world.observations);
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn nothing_moves_for_a_lost_api_or_while_the_host_brakes() -> Result<()> {
    let world = shop().await?;
    world.lose_api("on-prem").await?;
    world.is_quiet().await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.regain("on-prem").await?;
    let brake = "brake: 2 of 3 clusters look unhealthy at once";
    world.lose_braked("on-prem", brake).await?;
    world
        .until("the binding says why nothing moves", |world| {
            let spec = world.binding("web-deployment")?["spec"].clone();
            let message = spec["reasons"][2]["message"].as_str().unwrap_or_default();
            ensure!(message.contains(brake), "{spec}");
            Ok(())
        })
        .await?;
    world.is_quiet().await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    ensure!(world.binding("web-deployment")?["spec"]["evicted"].is_null(), "nothing was evicted");
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_host_that_starts_again_halfway_goes_on_where_it_was() -> Result<()> {
    let mut world = shop().await?;
    world.lose("on-prem").await?;
    world.runs([Some(6), Some(5), Some(5)]).await?;
    world.restart().await?;
    world.runs([Some(6), Some(5), Some(5)]).await?;
    world.members.set_slow("on-prem", true, &world.fleet, &world.observations);
    world.regain("on-prem").await?;
    world.runs([Some(3), Some(5), Some(5)]).await?;
    let n_told = world.members.history().len();
    world.restart().await?;
    world.runs([Some(3), Some(5), Some(5)]).await?;
    for told in &world.members.history()[n_told..] {
        let run = ["on-prem", "cloud-a", "cloud-b"].map(|name| told.get(name).copied());
        ensure!(run == [Some(3), Some(5), Some(5)], "somebody was told otherwise: {told:?}");
    }
    world.members.set_slow("on-prem", false, &world.fleet, &world.observations);
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.end().await;
    Ok(())
}
