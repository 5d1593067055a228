//! Room for connections: who is let in, who has to leave, and how long one may stay.
//!
//! ```text
//! accept ─► admit ─┬─► Place: Idle ◄──► Awaited (it must send or take bytes) ◄──► Working (it waits for us)
//!                  └─ full: the one that is idle longest leaves; nobody idle: who stalled; else the newcomer goes
//! ```
//! Connections over all transports are counted together. A client that waits for its answer is never sent away for a
//! newcomer, and one network can neither fill the room nor keep its own newcomers out.
//! Source: RFC 7766 §6.2.2 and §10, RFC 9210 §4.2 and §6.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::snapshot::site;

/// Connections at once, over all transports. A room full of idle ones over TCP was seen to take 14 MiB; one that sends and is
/// sent the longest messages holds 64 KiB of each, so 300 MiB is the worst that clients can bring about, TLS not counted.
pub(crate) const CONNECTIONS_MAX: usize = 2048;

/// The part of the room that one network (a /24, or a /56 of IPv6) may take: an attacker needs as many networks to fill it.
const NETWORK_SHARE: usize = 8;

/// How long connections may stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    /// How long one may be idle while at most half of the room is taken.
    pub(crate) idle_max: Duration,
    /// How long in a full room.
    pub(crate) idle_min: Duration,
    /// How long a client may keep us waiting in the midst of something.
    pub(crate) stall_max: Duration,
    /// In a full room, whoever keeps us waiting this long leaves for a newcomer.
    pub(crate) stall_min: Duration,
}

/// RFC 7766 §6.2.3 asks for a few seconds of idleness; a second in a full room is enough for a client that has its next
/// question ready. Resolvers wait less than ten seconds for an answer, so whoever stalls that long has given up. Two seconds
/// are ten round trips around the world.
pub(crate) const STAY: Stay = Stay {
    idle_max: Duration::from_secs(10),
    idle_min: Duration::from_secs(1),
    stall_max: Duration::from_secs(10),
    stall_min: Duration::from_secs(2),
};

/// The room of a server.
#[derive(Clone)]
pub(crate) struct Room(Arc<Mutex<Table>>);

/// A connection's place, given back when dropped.
pub(crate) struct Place {
    room: Room,
    id: u64,
    /// Told when somebody else needs the place.
    shed: Arc<Notify>,
}

/// Why a newcomer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its network has its share, and all of it is busy.
    Network,
    /// All of the room is busy.
    Room,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overstay {
    /// It was idle too long.
    Idle,
    /// It kept us waiting too long.
    Stalled,
    /// Somebody else needs the place.
    Shed,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing is to be sent or taken.
    Idle,
    /// It has to send the rest of a message, or to take what was sent.
    Awaited,
    /// It waits for us.
    Working,
}

/// One connection, as the table knows it.
struct Occupant {
    network: u64,
    doing: Doing,
    since: Instant,
    shed: Arc<Notify>,
}

/// Connections that may have to leave, the longest first.
#[derive(Default)]
struct Waiting {
    idle: BTreeSet<(Instant, u64)>,
    awaited: BTreeSet<(Instant, u64)>,
}

/// One network's part of the table.
#[derive(Default)]
struct Part {
    n_occupants: usize,
    waiting: Waiting,
}

/// Who is in the room. Pure: time is an argument, and whoever has to leave is told by their own `shed`.
struct Table {
    size: usize,
    stay: Stay,
    next: u64,
    occupants: BTreeMap<u64, Occupant>,
    parts: HashMap<u64, Part>,
    waiting: Waiting,
}

// === impl Room ===

impl Room {
    /// Room for `size` connections.
    pub(crate) fn new(size: usize, stay: Stay) -> Self {
        let table = Table {
            size: size.max(NETWORK_SHARE),
            stay,
            next: 0,
            occupants: BTreeMap::new(),
            parts: HashMap::new(),
            waiting: Waiting::default(),
        };
        Self(Arc::new(Mutex::new(table)))
    }

    /// Lets a connection in, if need be in the place of another.
    ///
    /// # Errors
    /// When there is no place, and nobody in it that could leave.
    pub(crate) fn admit(&self, client: IpAddr) -> Result<Place, Refusal> {
        let (id, shed) = self.table().admit(site(client), Instant::now())?;
        Ok(Place { room: self.clone(), id, shed })
    }

    /// How long a connection may be idle now.
    pub(crate) fn idle_max(&self) -> Duration {
        self.table().idle_max()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is complete before anything of it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// Says what the connection is at from now on. Saying the same again counts as progress.
    pub(crate) fn set(&self, doing: Doing) {
        self.room.table().set(self.id, doing, Instant::now());
    }

    /// Waits until the connection has to end. What it is at may change meanwhile: no stay is shorter than an idle one.
    pub(crate) async fn overstayed(&self) -> Overstay {
        loop {
            let until = match self.room.table().deadline(self.id, Instant::now()) {
                Ok(until) => until,
                Err(overstay) => return overstay,
            };
            tokio::select! {
                () = self.shed.notified() => return Overstay::Shed,
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// How long it may be idle now.
    pub(crate) fn idle_max(&self) -> Duration {
        self.room.idle_max()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.table().leave(self.id);
    }
}

// === impl Table ===

impl Table {
    fn network_max(&self) -> usize {
        self.size / NETWORK_SHARE
    }

    fn admit(&mut self, network: u64, now: Instant) -> Result<(u64, Arc<Notify>), Refusal> {
        let (part, stall_min) = (self.parts.get(&network), self.stay.stall_min);
        let leaves = if let Some(part) = part.filter(|part| part.n_occupants >= self.network_max()) {
            Some(part.waiting.longest(now, stall_min).ok_or(Refusal::Network)?)
        } else if self.occupants.len() >= self.size {
            Some(self.waiting.longest(now, stall_min).ok_or(Refusal::Room)?)
        } else {
            None
        };
        if let Some(occupant) = leaves.and_then(|id| self.leave(id)) {
            occupant.shed.notify_one();
        }
        let (id, shed) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        self.parts.entry(network).or_default().n_occupants += 1;
        let occupant = Occupant { network, doing: Doing::Idle, since: now, shed: Arc::clone(&shed) };
        self.occupants.insert(id, occupant);
        self.wait(id);
        Ok((id, shed))
    }

    /// Takes a connection out; none when it had to leave before.
    fn leave(&mut self, id: u64) -> Option<Occupant> {
        self.unwait(id);
        let occupant = self.occupants.remove(&id)?;
        if let Some(part) = self.parts.get_mut(&occupant.network) {
            part.n_occupants -= 1;
            if part.n_occupants == 0 {
                self.parts.remove(&occupant.network);
            }
        }
        Some(occupant)
    }

    fn set(&mut self, id: u64, doing: Doing, now: Instant) {
        self.unwait(id);
        if let Some(occupant) = self.occupants.get_mut(&id) {
            (occupant.doing, occupant.since) = (doing, now);
        }
        self.wait(id);
    }

    /// Puts a connection in line for leaving, as what it is at says.
    fn wait(&mut self, id: u64) {
        let Some(Occupant { network, doing, since, .. }) = self.occupants.get(&id) else { return };
        let part = self.parts.entry(*network).or_default();
        for waiting in [&mut self.waiting, &mut part.waiting] {
            match doing {
                Doing::Idle => waiting.idle.insert((*since, id)),
                Doing::Awaited => waiting.awaited.insert((*since, id)),
                Doing::Working => false,
            };
        }
    }

    fn unwait(&mut self, id: u64) {
        let Some(Occupant { network, since, .. }) = self.occupants.get(&id) else { return };
        let part = self.parts.entry(*network).or_default();
        for waiting in [&mut self.waiting, &mut part.waiting] {
            waiting.idle.remove(&(*since, id));
            waiting.awaited.remove(&(*since, id));
        }
    }

    /// Until when a connection may stay as it is.
    fn deadline(&self, id: u64, now: Instant) -> Result<Instant, Overstay> {
        let Some(occupant) = self.occupants.get(&id) else { return Err(Overstay::Shed) };
        let (longest, overstay) = match occupant.doing {
            Doing::Idle => (self.idle_max(), Overstay::Idle),
            Doing::Awaited => (self.stay.stall_max, Overstay::Stalled),
            // What works has deadlines of its own; this is only when to look again.
            Doing::Working => return Ok(now + self.stay.stall_max),
        };
        let until = occupant.since + longest;
        if until <= now { Err(overstay) } else { Ok(until) }
    }

    /// From half full on, the less the fuller.
    fn idle_max(&self) -> Duration {
        let Stay { idle_max, idle_min, .. } = self.stay;
        let (n_free, half) = (self.size.saturating_sub(self.occupants.len()), self.size / 2);
        if n_free >= half {
            return idle_max;
        }
        idle_min + (idle_max - idle_min) * u32::try_from(n_free).unwrap_or(u32::MAX) / half.max(1) as u32
    }
}

// === impl Waiting ===

impl Waiting {
    /// Who leaves first: the one that is idle longest, else the one that stalls longest.
    fn longest(&self, now: Instant, stall_min: Duration) -> Option<u64> {
        let stalled = || self.awaited.first().filter(|(since, _)| *since + stall_min <= now);
        self.idle.first().or_else(stalled).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests;
