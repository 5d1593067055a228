//! Conversations over a pipe, with less patience than the server has.

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::*;
use crate::edge::room::{Room, STAY, Stay};
use crate::snapshot::tests::support::{desk, query, record, show, snapshot, zone};

/// Room with little patience for who stalls.
fn room() -> Room {
    let patience = Duration::from_millis(300);
    Room::new(16, Stay { idle_max: patience, idle_min: patience, stall_max: patience, ..STAY })
}

/// Begins a conversation over a pipe that holds so many bytes each way.
fn begin(room: &Room, pipe: usize) -> (DuplexStream, JoinHandle<End>) {
    let peer: SocketAddr = "192.0.2.9:999".parse().unwrap();
    let place = room.admit(peer.ip()).unwrap();
    let records = vec![record("shop.example", &[("a", "192.0.2.1", 1)])];
    let mut desk = desk(snapshot(vec![zone("example", "")], records));
    let (client, mut server) = tokio::io::duplex(pipe);
    let talk =
        tokio::spawn(async move { converse(&mut server, peer, Transport::Tcp, &mut desk, &place).await });
    (client, talk)
}

fn framed(name: &str) -> Vec<u8> {
    let packet = query(name, "A");
    [&(packet.len() as u16).to_be_bytes()[..], &packet].concat()
}

async fn answer(client: &mut DuplexStream) -> String {
    let mut message = vec![0; client.read_u16().await.unwrap().into()];
    client.read_exact(&mut message).await.unwrap();
    show(&message)
}

#[tokio::test]
async fn questions_sent_at_once_are_all_answered() {
    let (mut client, talk) = begin(&room(), 1 << 20);
    let questions: Vec<u8> =
        (0..200).flat_map(|n| framed(if n % 2 == 0 { "shop.example" } else { "no.example" })).collect();
    client.write_all(&questions).await.unwrap();
    for number in 0..200 {
        let wanted = if number % 2 == 0 { "NOERROR" } else { "NXDOMAIN" };
        assert!(answer(&mut client).await.starts_with(wanted));
    }
    client.shutdown().await.unwrap();
    assert_eq!(talk.await.unwrap(), End::Closed);
}

#[tokio::test]
async fn a_question_may_come_byte_by_byte_but_not_forever() {
    let (mut client, talk) = begin(&room(), 64);
    for byte in framed("shop.example") {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(answer(&mut client).await.starts_with("NOERROR"));
    client.write_all(&framed("shop.example")[..9]).await.unwrap();
    assert_eq!(talk.await.unwrap(), End::SlowSender);
}

#[tokio::test]
async fn who_does_not_take_answers_is_not_heard_and_then_cut_off() {
    let (client, talk) = begin(&room(), 1024);
    let (_unread, mut writer) = tokio::io::split(client);
    let asking = tokio::spawn(async move {
        let mut n_taken = 0;
        while writer.write_all(&framed("shop.example")).await.is_ok() {
            n_taken += 1;
        }
        n_taken
    });
    assert_eq!(talk.await.unwrap(), End::SlowReader);
    // What was read is what the answers in flight are to, and not more.
    let n_taken = asking.await.unwrap();
    assert!((100..1000).contains(&n_taken), "{n_taken} questions were taken");
}

#[tokio::test]
async fn an_idle_connection_ends_and_a_newcomer_gets_its_place() {
    let patience = Duration::from_millis(50);
    let room = Room::new(16, Stay { idle_max: patience, idle_min: patience, ..STAY });
    let began = std::time::Instant::now();
    let (_client, talk) = begin(&room, 64);
    assert_eq!(talk.await.unwrap(), End::Idle);
    assert!(began.elapsed() >= patience);
    let room = Room::new(16, STAY);
    // A network has an eighth of the room.
    let (_one, first) = begin(&room, 64);
    let (_two, _second) = begin(&room, 64);
    let (_three, _third) = begin(&room, 64);
    assert_eq!(first.await.unwrap(), End::Shed);
}

#[tokio::test]
async fn what_is_no_query_ends_the_connection_after_the_answers_before_it() {
    let (mut client, talk) = begin(&room(), 1024);
    client
        .write_all(&[framed("shop.example"), vec![0, 1, 9], framed("shop.example")].concat())
        .await
        .unwrap();
    assert!(answer(&mut client).await.starts_with("NOERROR"));
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(talk.await.unwrap(), End::Protocol);
}
