//! Floods, and the clients that a server is for beside them.
//!
//! Both come from addresses of the range for benchmarks (198.18.0.0/15, RFC 2544), which [`network::prepare`] makes local in a
//! network namespace: a server spares loopback from its limits, and would not be judged as its clients see it.

pub mod network;

pub mod attacks;
pub mod legitimate;

use std::time::Duration;

/// What one side sent and got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Datagrams, or connections.
    pub n_sent: u64,
    /// Bytes of UDP payload.
    pub bytes_sent: u64,
    /// Bytes of UDP payload.
    pub bytes_received: u64,
}

/// How the legitimate clients fared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Success {
    /// Questions asked.
    pub n_asked: u64,
    /// Those answered rightly, in time, at the first try.
    pub n_answered: u64,
}

impl Success {
    /// Adds what others asked and got.
    pub fn add(&mut self, other: Self) {
        self.n_asked += other.n_asked;
        self.n_answered += other.n_answered;
    }

    /// Units: percent; 0 when nothing was asked.
    pub fn percent(self) -> f64 {
        100.0 * self.n_answered as f64 / self.n_asked.max(1) as f64
    }
}

/// How long an answer may take: as long as the most patient of the usual resolvers waits before it asks again.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A question on the wire, with EDNS of this payload and these options.
fn question(id: u16, name: &[&[u8]], rtype: u16, payload: u16, options: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label);
    }
    packet.push(0);
    packet.extend(rtype.to_be_bytes());
    packet.extend([0, 1, 0, 0, 41]);
    packet.extend(payload.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend((options.len() as u16).to_be_bytes());
    packet.extend_from_slice(options);
    packet
}

/// The labels of the zone that floods and clients ask for.
const ZONE: [&[u8]; 2] = [b"global", b"example"];

const A: u16 = 1;
const TXT: u16 = 16;
const ANY: u16 = 255;
