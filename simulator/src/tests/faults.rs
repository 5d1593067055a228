//! What members do when they are lost, and what is there when they return.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ANSWER_MAX, api, ask, balanced, client, create, eventually, member, pods, rolled_out, shop};
use crate::{Fault, Member};

const PORT: u16 = 8080;

/// Slower than this process ever is by itself on a quiet machine, and shorter than whoever asks waits.
const SLOWNESS: Duration = Duration::from_millis(300);

/// A member with a shop that answers.
async fn open_shop(last: u8) -> (Member, kube::Client, SocketAddr) {
    let member = member(last).await;
    let client = client(&member).await;
    let address = SocketAddr::new(IpAddr::V4(member.ip()), PORT);
    create(&client, &shop(2, "100m")).await;
    create(&client, &balanced(PORT)).await;
    rolled_out(&client, 2).await;
    eventually("an answer", async || answers(address).await).await;
    (member, client, address)
}

async fn answers(address: SocketAddr) -> bool {
    ask(address).await.is_some_and(|(status, _)| status == 200)
}

async fn is_refused(address: SocketAddr) -> bool {
    let connected = TcpStream::connect(address).await;
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether the API says something in time.
async fn is_served(client: &kube::Client) -> bool {
    let deployments = api::<Deployment>(client);
    tokio::time::timeout(ANSWER_MAX, deployments.get("shop")).await.is_ok_and(|answer| answer.is_ok())
}

#[tokio::test]
async fn a_refused_member_cuts_everybody_off_and_returns_with_its_objects() {
    let (member, client, address) = open_shop(11).await;
    let before = pods(&client).await;
    let mut open = TcpStream::connect(member.api_address()).await.unwrap();
    member.fail(Fault::Refused);
    eventually("refusals", async || is_refused(member.api_address()).await && is_refused(address).await)
        .await;
    let cut =
        tokio::time::timeout(ANSWER_MAX, open.read(&mut [0; 1])).await.expect("the end of the connection");
    assert!(matches!(cut, Ok(0) | Err(_)), "an open connection is cut");
    assert!(!is_served(&client).await);
    member.heal();
    eventually("the API again", async || is_served(&client).await).await;
    eventually("the endpoint again", async || answers(address).await).await;
    assert_eq!(pods(&client).await, before);
    member.stop().await;
}

#[tokio::test]
async fn a_hung_member_accepts_and_says_nothing_until_it_is_healed() {
    let (member, client, address) = open_shop(12).await;
    let before = pods(&client).await;
    member.fail(Fault::Hung);
    eventually("silence of the API", async || !is_served(&client).await).await;
    for silent in [member.api_address(), address] {
        let mut open = TcpStream::connect(silent).await.expect("connections are still accepted");
        let read = tokio::time::timeout(ANSWER_MAX, open.read(&mut [0; 1])).await;
        assert!(read.is_err(), "{silent} neither answers nor closes");
    }
    assert_eq!(ask(address).await, None);
    member.heal();
    eventually("the API again", async || is_served(&client).await).await;
    eventually("the endpoint again", async || answers(address).await).await;
    assert_eq!(pods(&client).await, before);
    member.stop().await;
}

#[tokio::test]
async fn endpoints_go_on_without_the_api() {
    let (member, client, address) = open_shop(13).await;
    member.fail_api(Fault::Refused);
    eventually("refusals", async || is_refused(member.api_address()).await).await;
    assert!(answers(address).await);
    member.fail_api(Fault::Hung);
    eventually("silence", async || TcpStream::connect(member.api_address()).await.is_ok()).await;
    assert!(!is_served(&client).await);
    assert!(answers(address).await);
    member.heal();
    eventually("the API again", async || is_served(&client).await).await;
    member.stop().await;
}

#[tokio::test]
async fn the_api_goes_on_without_endpoints() {
    let (member, client, address) = open_shop(15).await;
    member.fail_endpoints(Fault::Refused);
    eventually("refusals", async || is_refused(address).await).await;
    assert!(is_served(&client).await);
    member.heal();
    eventually("the endpoint again", async || answers(address).await).await;
    member.stop().await;
}

#[tokio::test]
async fn a_slow_member_answers_everything_later() {
    let (member, client, address) = open_shop(16).await;
    member.fail(Fault::Slow(SLOWNESS));
    // Connections that are open already are slow as well: the client has one.
    let began = Instant::now();
    assert!(is_served(&client).await);
    assert!(began.elapsed() >= SLOWNESS, "the API answered after {:?}", began.elapsed());
    let began = Instant::now();
    assert!(answers(address).await);
    assert!(began.elapsed() >= SLOWNESS, "the endpoint answered after {:?}", began.elapsed());
    member.heal();
    assert!(is_served(&client).await);
    assert!(answers(address).await);
    member.stop().await;
}

#[tokio::test]
async fn a_resetting_member_accepts_and_resets() {
    let (member, client, address) = open_shop(17).await;
    member.fail(Fault::Reset);
    for rude in [member.api_address(), address] {
        eventually("a reset", async || is_reset(rude).await).await;
    }
    assert!(!is_served(&client).await);
    member.heal();
    eventually("the API again", async || is_served(&client).await).await;
    eventually("the endpoint again", async || answers(address).await).await;
    member.stop().await;
}

/// Whether a connection is accepted, and reset before anything is said.
async fn is_reset(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    // The reset may come before or after the question.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    let read = tokio::time::timeout(ANSWER_MAX, stream.read(&mut [0; 1])).await;
    read.is_ok_and(|read| read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset))
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_so_and_free_again_after_a_stop() {
    let first = member(14).await;
    let again =
        crate::Config { api_port: first.api_address().port(), ..crate::Config::new("green", first.ip()) };
    let refused = Member::start(again.clone()).await;
    assert!(matches!(refused, Err(crate::StartError::Listen { .. })));
    first.stop().await;
    Member::start(again).await.unwrap().stop().await;
}
