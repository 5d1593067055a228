//! Tells secondaries at once when a zone has changed (RFC 1996), instead of letting them find out by their refresh.
//!
//! ```text
//! archive followed ─► due (pure): zones whose serial is not the one told last ─► one round per zone
//!                                                                  └─ a newer serial ends the round before it
//! round: each secondary ─► NOTIFY ─► answer, or again after twice the time, up to TRIES
//! ```
//!
//! A round is not carried over a restart: then every zone has a new serial, and everybody is told anyway.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use koinon_types::names::Notified;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

use crate::edge::tsig::Signer;
use crate::fast::now;
use crate::history::Archive;
use crate::metrics::Metrics;
use crate::snapshot::{Head, Options, Question, Snapshot, write};
use crate::wire::name::{Name, suffixes};
use crate::wire::{CLASS_IN, Rcode, flag, rtype};

/// NOTIFY (RFC 1996 §3).
const OPCODE: u8 = 4;

/// How long the first notice waits for its answer; each further one waits twice as long. RFC 1996 §3.6 suggests a minute,
/// but a name that leaves a dead cluster has a TTL of seconds.
const WAIT_FIRST: Duration = Duration::from_secs(1);

/// Notices to a secondary that does not answer: two minutes in all. It asks by itself after the zone's refresh, and
/// whenever it starts.
const TRIES: u32 = 7;

/// Between two looks at what changed there is at least this long, so that a burst of changes costs one notice per zone;
/// the first of a burst is told at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Most bytes of a notice: a header, two names, SOA data and a signature.
const NOTICE_MAX: usize = 1232;

/// Tells secondaries of every change until asked to stop. `followed` changes with every snapshot that the archive has followed.
///
/// Notices come from `own`, where the server listens: secondaries believe the address that they have as their primary.
pub(crate) async fn run(
    own: IpAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
    archive: Arc<ArcSwap<Archive>>,
    mut followed: watch::Receiver<u64>,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let mut rounds = Rounds { own, told: BTreeMap::new(), tasks: JoinSet::new() };
    loop {
        tokio::select! {
            changed = followed.changed() => {
                if changed.is_err() {
                    return;
                }
                rounds.begin(&snapshot.load_full(), &archive.load_full(), &metrics);
            }
            Some(_) = rounds.tasks.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// A zone whose secondaries do not know its latest serial.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    apex: Name,
    serial: u32,
    targets: Vec<Notified>,
}

/// Finds the zones to tell about; `told` is what was told of last. Those that nobody is to be told about are not among them.
fn due(snapshot: &Snapshot, archive: &Archive, told: &BTreeMap<Name, Told>) -> Vec<Due> {
    let mut due = Vec::new();
    for zone in snapshot.table().zones.iter().filter(|zone| !zone.transfer.notify.is_empty()) {
        let Ok(apex) = zone.apex.parse::<Name>() else { continue };
        let Some(version) = snapshot.version(&apex) else { continue };
        // Who may copy it hears of what can be copied; the archive may be a little behind.
        let serial = archive.zone(&apex).map_or(version.serial, |zone| zone.serial());
        let targets = zone.transfer.notify.clone();
        let is_told = told.get(&apex).is_some_and(|told| told.serial == serial && told.targets == targets);
        if !is_told {
            due.push(Due { apex, serial, targets });
        }
    }
    due
}

/// What secondaries of a zone were told last, or are being told.
struct Told {
    serial: u32,
    targets: Vec<Notified>,
    round: Vec<AbortHandle>,
}

/// The rounds under way, at most one per zone.
struct Rounds {
    own: IpAddr,
    told: BTreeMap<Name, Told>,
    tasks: JoinSet<()>,
}

impl Rounds {
    /// Begins a round for each zone that needs one; it takes the place of the one under way.
    fn begin(&mut self, snapshot: &Snapshot, archive: &Archive, metrics: &Metrics) {
        self.told.retain(|apex, told| {
            let stays = snapshot.version(apex).is_some();
            if !stays {
                told.give_up();
            }
            stays
        });
        for Due { apex, serial, targets } in due(snapshot, archive, &self.told) {
            if let Some(before) = self.told.get(&apex) {
                before.give_up();
            }
            let mut round = Vec::new();
            for target in &targets {
                let Some(notice) = notice(snapshot, &apex) else { continue };
                let outcome = try_to_tell(self.own, notice, target.clone());
                let telling = tell(apex.clone(), serial, target.address, outcome, metrics.clone());
                round.push(self.tasks.spawn(telling));
            }
            self.told.insert(apex, Told { serial, targets, round });
        }
    }
}

impl Told {
    fn give_up(&self) {
        for telling in &self.round {
            telling.abort();
        }
    }
}

/// The message that tells of a zone's serial, its id still zero and without a signature.
///
/// It is a query that looks like the answer to its own question: AA is set, and the SOA in the answer section is a hint
/// that saves a secondary that has it already the question (RFC 1996 §3.7).
fn notice(snapshot: &Snapshot, apex: &Name) -> Option<Vec<u8>> {
    let asked = [apex.wire(), &rtype::SOA.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat();
    let n_labels = suffixes(apex.wire()).count() - 1;
    let question = Question { name: apex.wire(), n_labels, rtype: rtype::SOA, dnssec_ok: false };
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let answer = snapshot.answer(&question, &nobody.into(), now());
    if answer.rcode() != Rcode::NoError {
        return None;
    }
    let head = Head { id: [0; 2], flags: [OPCODE << 3, 0], question: &asked, edns: None };
    let mut notice = vec![0; NOTICE_MAX];
    let length = write(&mut notice, &head, &answer, &Options::default(), NOTICE_MAX);
    notice.truncate(length);
    notice[2] &= !flag::QR;
    Some(notice)
}

/// Tells one secondary until it answers, or does not.
async fn tell(
    apex: Name,
    serial: u32,
    address: SocketAddr,
    telling: impl Future<Output = io::Result<u16>>,
    metrics: Metrics,
) {
    let outcome = telling.await;
    metrics.notified(&outcome);
    match outcome {
        Ok(rcode) => {
            if rcode == Rcode::NoError.number() {
                debug!(zone = %apex, serial, %address, "a secondary was told of a change");
            } else {
                // It is up, and will not do better when told again (RFC 1996 §3.11).
                warn!(zone = %apex, serial, %address, rcode, "a secondary does not want to be told of changes");
            }
        }
        Err(error) => {
            warn!(zone = %apex, serial, %address, %error, "a secondary was not told of a change");
        }
    }
}

/// Sends a notice until it is answered. Shape: the answer's code.
async fn try_to_tell(own: IpAddr, notice: Vec<u8>, target: Notified) -> io::Result<u16> {
    // One of the other family tells as the system likes.
    let own: SocketAddr = match target.address {
        there if there.is_ipv4() == own.is_ipv4() => (own, 0).into(),
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    // From here on the kernel drops what comes from anywhere else.
    socket.connect(target.address).await?;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for number in 0..TRIES {
        let deadline = tokio::time::Instant::now() + WAIT_FIRST * 2_u32.pow(number);
        let (packet, id) = stamped(&notice, &target)?;
        let exchange = async {
            socket.send(&packet).await?;
            answer_to(&socket, id).await
        };
        match tokio::time::timeout_at(deadline, exchange).await {
            Ok(Ok(rcode)) => return Ok(rcode),
            // Nobody listens there now; that may change.
            Ok(Err(error)) => {
                last = error;
                tokio::time::sleep_until(deadline).await;
            }
            Err(_) => {}
        }
    }
    Err(last)
}

/// The notice with an id that nobody can guess, and signed if the secondary wants that: with the time of now.
fn stamped(notice: &[u8], target: &Notified) -> io::Result<(Vec<u8>, [u8; 2])> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let mut packet = notice.to_vec();
    packet[..2].copy_from_slice(&id);
    if let Some(key) = &target.key {
        let no_name = || io::Error::other(format!("the key's name {:?} is no domain name", key.name));
        let mut signer = Signer::new(key).ok_or_else(no_name)?;
        let length = packet.len();
        packet.resize(length + signer.room(), 0);
        let length = signer.sign(&mut packet, length, now());
        packet.truncate(length);
    }
    Ok((packet, id))
}

/// Waits for the answer with this id. Shape: its code.
///
/// Its signature is not looked at: whoever forges one has to see our id and port, and gains that the secondary learns of
/// the change by its refresh.
async fn answer_to(socket: &UdpSocket, id: [u8; 2]) -> io::Result<u16> {
    let mut packet = [0; NOTICE_MAX];
    loop {
        let length = socket.recv(&mut packet).await?;
        if let [id_high, id_low, flags, more, ..] = packet[..length]
            && [id_high, id_low] == id
            && flags & (flag::QR | flag::OPCODE_MASK) == flag::QR | OPCODE << 3
        {
            return Ok(u16::from(more & 0xf));
        }
    }
}

#[cfg(test)]
mod tests;
