//! What can be seen from outside: the members' own APIs, and the name as a resolver gets it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;

use crate::host::Host;

/// Between two looks: short for a person, long for the processor.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A member that does not answer within this time is not there.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Networks that ask for the name: one client keeps its answer for a while, and a fifth of them gets the rarest.
const CLIENTS: u8 = 32;

/// Replicas of the shop in one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Replicas {
    pub(super) wanted: i64,
    pub(super) ready: i64,
}

/// Looks until `look` sees it, and tells how long that took.
///
/// # Errors
/// When `deadline` has passed: with what was awaited and what was seen last.
pub(super) async fn until(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(()) => return Ok(start.elapsed()),
            Err(seen) if start.elapsed() >= deadline => {
                bail!("{what} was not seen within {} s: {seen:#}", deadline.as_secs());
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// The shop as a member's own API shows it.
///
/// # Errors
/// When the member does not answer.
pub(super) async fn replicas(member: &Host) -> anyhow::Result<Replicas> {
    let finding = member.find("/apis/apps/v1/namespaces/shop/deployments/shop");
    let found = tokio::time::timeout(ANSWER_MAX, finding).await.context("no answer")??;
    let deployment = found.unwrap_or_default();
    Ok(Replicas {
        wanted: deployment["spec"]["replicas"].as_i64().unwrap_or_default(),
        ready: deployment["status"]["readyReplicas"].as_i64().unwrap_or_default(),
    })
}

/// The addresses that clients of many networks get for a name.
///
/// # Errors
/// When a question is not answered.
pub(super) async fn addresses(server: SocketAddr, name: &str) -> anyhow::Result<BTreeSet<Ipv4Addr>> {
    let mut addresses = BTreeSet::new();
    for network in 1..=CLIENTS {
        addresses.extend(ask(server, Ipv4Addr::new(127, 200, network, 1), name).await?);
    }
    Ok(addresses)
}

async fn ask(server: SocketAddr, client: Ipv4Addr, name: &str) -> anyhow::Result<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind((client, 0)).await.context("bind a client's address")?;
    socket.connect(server).await.context("reach the name server")?;
    let name = Name::from_str(name).context("read the name")?;
    let mut question = Message::new(u16::from(client.octets()[2]), MessageType::Query, OpCode::Query);
    question.add_query(Query::query(name, RecordType::A));
    socket.send(&question.to_vec().context("write a question")?).await.context("ask")?;
    let mut packet = [0; 1232];
    let length = tokio::time::timeout(ANSWER_MAX, socket.recv(&mut packet)).await.context("no answer")??;
    let answer = Message::from_vec(&packet[..length]).context("read an answer")?;
    let addresses = answer.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    Ok(addresses.collect())
}
