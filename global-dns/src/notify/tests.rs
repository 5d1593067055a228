//! Who is told of what, over a real socket in a secondary's place.

use koinon_types::names::{Grant, NameTable, Secret, TsigAlgorithm, TsigKey, Zone};

use super::*;
use crate::edge::message::{Reading, read};
use crate::snapshot::Versions;
use crate::snapshot::tests::support::{build_at, record, zone};

/// Where the server listens: an address that the system would not choose by itself.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 7, 7, 7));

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn told_zone(apex: &str, lines: &str, address: SocketAddr, key: Option<TsigKey>) -> Zone {
    let mut zone = zone(apex, lines);
    zone.transfer.notify = vec![Notified { address, key }];
    zone
}

fn snapshot(generation: u64, zones: Vec<Zone>, before: &Versions) -> Snapshot {
    let records = vec![record("shop.one", &[("a", "192.0.2.1", 1)])];
    let table = Arc::new(NameTable { generation, zones, records });
    build_at(&table, before, generation, now(), &Arc::default())
}

/// Waits for a notice: its bytes, and where it came from.
async fn heard(secondary: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut packet = vec![0; 1500];
    let (length, from) = tokio::time::timeout(SOON, secondary.recv_from(&mut packet)).await.unwrap().unwrap();
    packet.truncate(length);
    (packet, from)
}

/// Answers a notice with this code.
async fn answer(secondary: &UdpSocket, notice: &[u8], to: SocketAddr, rcode: u8) {
    let mut answer = notice[..12].to_vec();
    answer[2] |= flag::QR;
    answer[3] = rcode;
    answer[4..12].fill(0);
    secondary.send_to(&answer, to).await.unwrap();
}

/// The serial in a notice's answer section, after checking everything before it.
fn serial(notice: &[u8], apex: &Name) -> u32 {
    let question = [apex.wire(), &[0, 6, 0, 1]].concat();
    assert_eq!(notice[2..12], [0x24, 0, 0, 1, 0, 1, 0, 0, 0, 0], "NOTIFY with AA, one question, one answer");
    assert_eq!(notice[12..12 + question.len()], question);
    let numbers_at = notice.len() - 20;
    u32::from_be_bytes(*notice[numbers_at..].first_chunk().unwrap())
}

#[test]
fn a_zone_that_stays_as_it_is_keeps_its_serial() {
    let address = "192.0.2.53:53".parse().unwrap();
    let [one, two]: [Name; 2] = ["one", "two"].map(|apex| apex.parse().unwrap());
    let zones =
        |lines: &str| vec![told_zone("one", lines, address, None), told_zone("two", "", address, None)];
    let first = snapshot(5, zones(""), &Versions::new());
    let serials = |snapshot: &Snapshot| [&one, &two].map(|apex| snapshot.version(apex).unwrap().serial);
    assert_eq!(serials(&first), [5, 5]);
    let same = snapshot(6, zones(""), first.versions());
    assert_eq!(serials(&same), [5, 5]);
    let changed = snapshot(7, zones("www.one 60 A 192.0.2.7"), same.versions());
    assert_eq!(serials(&changed), [7, 5]);
    let back = snapshot(8, zones(""), changed.versions());
    assert_eq!(serials(&back), [8, 5], "what it was before is not what secondaries have");
    let mut slower = zones("");
    slower[1].soa.refresh += 1;
    assert_eq!(serials(&snapshot(9, slower, back.versions())), [8, 9]);
}

#[test]
fn only_what_changed_is_told() {
    let address = "192.0.2.53:53".parse().unwrap();
    let zones = |lines: &str| vec![told_zone("one", lines, address, None), zone("two", "")];
    let first = snapshot(5, zones(""), &Versions::new());
    let mut told = BTreeMap::new();
    let due_now = |snapshot: &Snapshot, told: &BTreeMap<Name, Told>| -> Vec<(String, u32)> {
        due(snapshot, &Archive::of(snapshot), told)
            .into_iter()
            .map(|due| (due.apex.to_string(), due.serial))
            .collect()
    };
    assert_eq!(due_now(&first, &told), [("one".to_owned(), 5)], "nobody wants to hear of the other");
    let targets = vec![Notified { address, key: None }];
    told.insert("one".parse().unwrap(), Told { serial: 5, targets, round: Vec::new() });
    assert_eq!(due_now(&snapshot(6, zones(""), first.versions()), &told), []);
    let changed = snapshot(6, zones("www.one 60 A 192.0.2.7"), first.versions());
    assert_eq!(due_now(&changed, &told), [("one".to_owned(), 6)]);
    let other = vec![told_zone("one", "", "192.0.2.54:53".parse().unwrap(), None)];
    assert_eq!(due_now(&snapshot(6, other, first.versions()), &told), [("one".to_owned(), 5)], "who is new");
}

#[test]
fn who_may_copy_a_zone_hears_of_what_can_be_copied() {
    let address = "192.0.2.53:53".parse().unwrap();
    let zones = |lines: &str| {
        let mut zone = told_zone("one", lines, address, None);
        zone.transfer.allow = vec![Grant::From("192.0.2.0/24".parse().unwrap())];
        vec![zone]
    };
    let first = snapshot(5, zones(""), &Versions::new());
    let archive = Archive::of(&first);
    let changed = snapshot(6, zones("www.one 60 A 192.0.2.7"), first.versions());
    let serials = |archive: &Archive| -> Vec<u32> {
        due(&changed, archive, &BTreeMap::new()).into_iter().map(|due| due.serial).collect()
    };
    assert_eq!(serials(&archive), [5], "the archive is behind");
    assert_eq!(serials(&archive.follow(&changed).unwrap()), [6]);
}

#[tokio::test]
async fn a_secondary_is_told_until_it_answers_and_again_of_what_is_newer() {
    let secondary = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = secondary.local_addr().unwrap();
    let one: Name = "one".parse().unwrap();
    let first = snapshot(5, vec![told_zone("one", "", address, None)], &Versions::new());
    let second =
        snapshot(6, vec![told_zone("one", "www.one 60 A 192.0.2.7", address, None)], first.versions());
    let served = Arc::new(ArcSwap::from_pointee(first));
    let ((swaps, swapped), (stop, stopped)) = (watch::channel(0), watch::channel(false));
    let running =
        tokio::spawn(run(HERE, Arc::clone(&served), Arc::default(), swapped, Metrics::new(), stopped));

    swaps.send_replace(5);
    let (notice, from) = heard(&secondary).await;
    assert_eq!((serial(&notice, &one), from.ip()), (5, HERE));
    let (again, from) = heard(&secondary).await;
    assert_eq!(serial(&again, &one), 5, "it was not answered");
    assert_ne!(notice[..2], again[..2], "each try has its own id");
    // What answers another question is no answer.
    let mut other = again.clone();
    other[0] ^= 1;
    answer(&secondary, &other, from, 0).await;
    answer(&secondary, &again, from, 0).await;

    served.store(Arc::new(second));
    swaps.send_replace(6);
    let (notice, from) = heard(&secondary).await;
    assert_eq!(serial(&notice, &one), 6);
    answer(&secondary, &notice, from, 5).await;
    stop.send_replace(true);
    tokio::time::timeout(SOON, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_notice_is_signed_for_whom_a_key_is_given() {
    let secondary = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let key = TsigKey {
        name: "secondary".into(),
        algorithm: TsigAlgorithm::HmacSha384,
        secret: Secret::new(b"known to both sides, and long".to_vec()),
    };
    let target = Notified { address: secondary.local_addr().unwrap(), key: Some(key.clone()) };
    let served = snapshot(5, vec![zone("one", "")], &Versions::new());
    let notice = notice(&served, &"one".parse().unwrap()).unwrap();
    let telling = tokio::spawn(try_to_tell(HERE, notice, target));
    let (mut signed, from) = heard(&secondary).await;
    answer(&secondary, &signed, from, 0).await;
    assert_eq!(tokio::time::timeout(SOON, telling).await.unwrap().unwrap().unwrap(), 0);
    // The reader knows queries; a signature covers the answer section and the opcode all the same.
    let whole = signed.clone();
    signed[2] &= !flag::OPCODE_MASK;
    signed[7] = 0;
    let soa_at = 12 + 5 + 4;
    let soa_length = 12 + usize::from(signed[soa_at + 11]);
    signed.drain(soa_at..soa_at + soa_length);
    let Reading::Signed(mut tsig, _) = read(&signed) else { panic!("not signed") };
    tsig.at += soa_length;
    let known = [key];
    assert!(crate::edge::tsig::verify(&tsig, &whole, known.iter(), now()).is_ok());
}
