//! Connections and certificates: how many there are, and how each one ended.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::edge::handler::Transport;
use crate::edge::room::{Overstay, Refusal};

const CONNECTIONS: &str = "koinon_dns_connections_count";
const ENDS: &str = "koinon_dns_connections_ended_total";
const LOADS: &str = "koinon_dns_certificate_loads_total";
const EXPIRY: &str = "koinon_dns_certificate_expiry_timestamp_seconds";

/// Tells the recorder what these metrics mean.
pub(super) fn describe() {
    describe_gauge!(CONNECTIONS, "Open connections, by transport");
    describe_counter!(ENDS, "Connections that ended, or were not let in, by transport and cause");
    describe_counter!(LOADS, "Times that changed files of the certificate were read, by outcome");
    describe_gauge!(EXPIRY, Unit::Seconds, "When the certificate being shown expires, since 1970");
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client was done.
    Closed,
    /// It was idle too long.
    Idle,
    /// It was idle or stalled when somebody else needed its place.
    Shed,
    /// The client did not take what it had asked for.
    SlowReader,
    /// The client did not send what it had begun.
    SlowSender,
    /// The handshake did not succeed.
    Handshake,
    /// The client broke the rules of the transport.
    Protocol,
    /// The network failed.
    Failed,
    /// The server stopped.
    Stopped,
    /// It was not let in: its network has its share.
    NetworkFull,
    /// It was not let in: there is no room.
    RoomFull,
}

impl End {
    const ALL: [Self; 11] = [
        Self::Closed,
        Self::Idle,
        Self::Shed,
        Self::SlowReader,
        Self::SlowSender,
        Self::Handshake,
        Self::Protocol,
        Self::Failed,
        Self::Stopped,
        Self::NetworkFull,
        Self::RoomFull,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Shed => "shed",
            Self::SlowReader => "slow_reader",
            Self::SlowSender => "slow_sender",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::NetworkFull => "network_full",
            Self::RoomFull => "room_full",
        }
    }

    /// How a connection ended that had to; `stalled` says what the client kept us waiting for.
    pub(crate) fn of(overstay: Overstay, stalled: Self) -> Self {
        match overstay {
            Overstay::Idle => Self::Idle,
            Overstay::Shed => Self::Shed,
            Overstay::Stalled => stalled,
        }
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Network => Self::NetworkFull,
            Refusal::Room => Self::RoomFull,
        }
    }
}

/// Handles to what is counted of connections.
#[derive(Clone)]
pub(crate) struct Connections {
    open: [Gauge; Transport::ALL.len()],
    ends: [[Counter; End::ALL.len()]; Transport::ALL.len()],
    loaded: Counter,
    refused: Counter,
    expiry: Gauge,
}

/// Counts a connection as open for as long as it lives.
pub(crate) struct Open(Gauge);

// === impl Connections ===

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            open: Transport::ALL.map(|transport| gauge!(CONNECTIONS, "transport" => transport.as_str())),
            ends: Transport::ALL.map(|transport| {
                End::ALL.map(|end| counter!(ENDS, "transport" => transport.as_str(), "cause" => end.as_str()))
            }),
            loaded: counter!(LOADS, "outcome" => "loaded"),
            refused: counter!(LOADS, "outcome" => "refused"),
            expiry: gauge!(EXPIRY),
        }
    }

    /// Counts a connection while the value lives.
    pub(crate) fn open(&self, transport: Transport) -> Open {
        let gauge = self.open[transport as usize].clone();
        gauge.increment(1);
        Open(gauge)
    }

    pub(crate) fn ended(&self, transport: Transport, end: End) {
        self.ends[transport as usize][end as usize].increment(1);
    }

    /// Counts files of a certificate that changed; `expiry` is that of what is shown from now on, in seconds since 1970.
    pub(crate) fn certificate<E>(&self, loaded: &Result<i64, E>) {
        match loaded {
            Ok(expiry) => {
                self.loaded.increment(1);
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "seconds since 1970 are exact beyond any certificate"
                )]
                self.expiry.set(*expiry as f64);
            }
            Err(_) => self.refused.increment(1),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_own_place() {
        for (number, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, number);
        }
    }
}
