//! What the server counts. Handles are resolved once, when the server starts; the answering threads count in
//! plain numbers of their own and hand them over between batches.

mod connections;
pub(crate) mod shares;

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

pub(crate) use connections::{Connections, End};

use crate::edge::handler::Transport;
use crate::limit::Limited;
use crate::wire::Rcode;

const QUERIES: &str = "koinon_dns_queries_total";
const BAILOUTS: &str = "koinon_dns_bailouts_total";
const LIMITED: &str = "koinon_dns_rate_limited_total";
const DROPS: &str = "koinon_dns_drops_total";
const ANSWER_SECONDS: &str = "koinon_dns_answer_seconds";
const GENERATION: &str = "koinon_dns_snapshot_generation";
const SWAPS: &str = "koinon_dns_snapshot_swaps_total";
const SIGNATURES: &str = "koinon_dns_signatures_total";
const BUILD_SECONDS: &str = "koinon_dns_snapshot_build_seconds";
const FOLLOW_SECONDS: &str = "koinon_dns_event_to_answer_seconds";
const NAMES: &str = "koinon_dns_names_count";
const REFUSED: &str = "koinon_dns_refused_count";
const BLIND: &str = "koinon_dns_names_without_location_count";
const GEO_EPOCH: &str = "koinon_dns_location_database_epoch_seconds";
const TRANSFERS: &str = "koinon_dns_transfers_total";
const NOTICES: &str = "koinon_dns_notices_total";
const PROBES: &str = "koinon_dns_probes_total";
const STALE_TABLES: &str = "koinon_dns_stale_tables_total";

/// Tells the recorder what the metrics mean. Called once by whoever installs it.
pub fn describe() {
    describe_counter!(QUERIES, "Queries answered, by transport and response code");
    describe_counter!(BAILOUTS, "Datagrams that the fast path left to the edge");
    describe_counter!(
        LIMITED,
        "Answers too many for one network, by what was done; in a dry run, nothing was"
    );
    describe_counter!(DROPS, "Queries or reports dropped, by reason");
    describe_histogram!(ANSWER_SECONDS, Unit::Seconds, "Time to answer one UDP query, sampled");
    describe_gauge!(GENERATION, "Generation of the snapshot being served");
    describe_counter!(SWAPS, "Snapshots published");
    describe_counter!(SIGNATURES, "DNSSEC signatures made");
    describe_histogram!(BUILD_SECONDS, Unit::Seconds, "Time to build a snapshot");
    describe_histogram!(
        FOLLOW_SECONDS,
        Unit::Seconds,
        "From a change of an endpoint's state to answers that follow it, by who saw it; the host's clock counts for what it saw"
    );
    describe_gauge!(shares::SHARE, "Share of a weighted name's answers, wanted and realised, by address");
    describe_gauge!(
        shares::ANSWERS,
        "Answers that the realised shares of a name rest on, since its weights changed"
    );
    describe_gauge!(NAMES, "Names in the snapshot, empty non-terminals included");
    describe_gauge!(REFUSED, "Names of the table that could not be served");
    describe_gauge!(BLIND, "Names whose routing asks where clients are, without a database to know it");
    describe_gauge!(GEO_EPOCH, Unit::Seconds, "When the oldest location database was made; 0 without any");
    connections::describe();
    describe_counter!(TRANSFERS, "Zones sent to secondaries, by outcome");
    describe_counter!(NOTICES, "Changes of zones told to secondaries, by outcome");
    describe_counter!(PROBES, "Probes made, by outcome");
    describe_counter!(STALE_TABLES, "Tables ignored because a newer one was known");
}

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// The edge's queue was full.
    QueueFull,
    /// The kernel did not take a response.
    SendFailed,
    /// It deserved no answer.
    Ignored,
    /// The receiver of reports was behind.
    ReportLost,
}

impl Drop {
    const ALL: [Self; 4] = [Self::QueueFull, Self::SendFailed, Self::Ignored, Self::ReportLost];

    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SendFailed => "send_failed",
            Self::Ignored => "ignored",
            Self::ReportLost => "report_lost",
        }
    }
}

/// Who saw that an endpoint's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    /// The host, which put it into the table.
    Host,
    /// This node's probes.
    Probe,
}

/// Handles to everything the server counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    answers: [[Counter; Rcode::ALL.len()]; Transport::ALL.len()],
    drops: [Counter; Drop::ALL.len()],
    cut: Counter,
    withheld: Counter,
    pub(crate) bailouts: Counter,
    pub(crate) answer_seconds: Histogram,
    pub(crate) generation: Gauge,
    pub(crate) swaps: Counter,
    pub(crate) signatures: Counter,
    pub(crate) build_seconds: Histogram,
    followed: [Histogram; 2],
    pub(crate) names: Gauge,
    pub(crate) refused: Gauge,
    pub(crate) blind: Gauge,
    pub(crate) geo_epoch: Gauge,
    pub(crate) connections: Connections,
    transfers_completed: Counter,
    transfers_broken: Counter,
    notices_answered: Counter,
    notices_lost: Counter,
    pub(crate) probes_passed: Counter,
    pub(crate) probes_failed: Counter,
    pub(crate) probes_unmade: Counter,
    pub(crate) stale_tables: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let queries = |transport: Transport| {
            Rcode::ALL.map(
                |rcode| counter!(QUERIES, "transport" => transport.as_str(), "rcode" => rcode.mnemonic()),
            )
        };
        Self {
            answers: Transport::ALL.map(queries),
            drops: Drop::ALL.map(|reason| counter!(DROPS, "reason" => reason.as_str())),
            cut: counter!(LIMITED, "action" => "cut"),
            withheld: counter!(LIMITED, "action" => "withheld"),
            bailouts: counter!(BAILOUTS),
            answer_seconds: histogram!(ANSWER_SECONDS),
            generation: gauge!(GENERATION),
            swaps: counter!(SWAPS),
            signatures: counter!(SIGNATURES),
            build_seconds: histogram!(BUILD_SECONDS),
            followed: ["host", "probe"].map(|saw| histogram!(FOLLOW_SECONDS, "saw" => saw)),
            names: gauge!(NAMES),
            refused: gauge!(REFUSED),
            blind: gauge!(BLIND),
            geo_epoch: gauge!(GEO_EPOCH),
            connections: Connections::new(),
            transfers_completed: counter!(TRANSFERS, "outcome" => "completed"),
            transfers_broken: counter!(TRANSFERS, "outcome" => "broken"),
            notices_answered: counter!(NOTICES, "outcome" => "answered"),
            notices_lost: counter!(NOTICES, "outcome" => "lost"),
            probes_passed: counter!(PROBES, "outcome" => "passed"),
            probes_failed: counter!(PROBES, "outcome" => "failed"),
            probes_unmade: counter!(PROBES, "outcome" => "unmade"),
            stale_tables: counter!(STALE_TABLES),
        }
    }

    /// Counts queries answered.
    pub(crate) fn answered(&self, transport: Transport, rcode: Rcode, n_queries: u64) {
        self.answers[transport as usize][place(rcode)].increment(n_queries);
    }

    /// Tells how long answers took to follow an event.
    pub(crate) fn followed(&self, who: Saw, took: Duration) {
        self.followed[who as usize].record(took.as_secs_f64());
    }

    /// Counts answers that were too many.
    pub(crate) fn limited(&self, Limited { cut, withheld }: Limited) {
        if cut > 0 {
            self.cut.increment(cut);
        }
        if withheld > 0 {
            self.withheld.increment(withheld);
        }
    }

    /// Counts a transfer that was begun.
    pub(crate) fn transferred<E>(&self, outcome: &Result<(), E>) {
        match outcome {
            Ok(()) => self.transfers_completed.increment(1),
            Err(_) => self.transfers_broken.increment(1),
        }
    }

    /// Counts a notice to a secondary that was answered, or never was.
    pub(crate) fn notified<T, E>(&self, outcome: &Result<T, E>) {
        match outcome {
            Ok(_) => self.notices_answered.increment(1),
            Err(_) => self.notices_lost.increment(1),
        }
    }

    pub(crate) fn dropped(&self, reason: Drop, n_dropped: u64) {
        self.drops[reason as usize].increment(n_dropped);
    }
}

/// Where a code stands in [`Rcode::ALL`].
fn place(rcode: Rcode) -> usize {
    match rcode {
        Rcode::NoError => 0,
        Rcode::FormErr => 1,
        Rcode::ServFail => 2,
        Rcode::NxDomain => 3,
        Rcode::NotImp => 4,
        Rcode::Refused => 5,
        Rcode::YxDomain => 6,
        Rcode::YxRrset => 7,
        Rcode::NxRrset => 8,
        Rcode::NotAuth => 9,
        Rcode::NotZone => 10,
        Rcode::BadVers => 11,
    }
}

/// One thread's own numbers since it last handed them over.
#[derive(Default)]
pub(crate) struct Tally {
    rcodes: [u64; Rcode::ALL.len()],
    pub(crate) bailouts: u64,
    pub(crate) queue_full: u64,
    pub(crate) send_failed: u64,
    limited: Limited,
    /// Sampled time per answer, and over how many answers.
    pub(crate) sample: Option<(Duration, usize)>,
}

impl Tally {
    /// Counts one answer.
    pub(crate) fn answered(&mut self, rcode: Rcode) {
        self.rcodes[place(rcode)] += 1;
    }

    /// Counts answers that were too many.
    pub(crate) fn limited(&mut self, more: Limited) {
        self.limited.cut += more.cut;
        self.limited.withheld += more.withheld;
    }

    /// Hands the numbers over and begins again at zero.
    pub(crate) fn flush(&mut self, metrics: &Metrics) {
        for (rcode, n_queries) in Rcode::ALL.into_iter().zip(self.rcodes) {
            if n_queries > 0 {
                metrics.answered(Transport::Udp, rcode, n_queries);
            }
        }
        if self.bailouts > 0 {
            metrics.bailouts.increment(self.bailouts);
        }
        if self.queue_full > 0 {
            metrics.dropped(Drop::QueueFull, self.queue_full);
        }
        if self.send_failed > 0 {
            metrics.dropped(Drop::SendFailed, self.send_failed);
        }
        metrics.limited(self.limited);
        if let Some((each, n_answers)) = self.sample {
            metrics.answer_seconds.record_many(each.as_secs_f64(), n_answers);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_reason_has_its_own_place() {
        for (number, rcode) in Rcode::ALL.into_iter().enumerate() {
            assert_eq!(place(rcode), number);
        }
        for (number, reason) in Drop::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
        for (number, transport) in Transport::ALL.into_iter().enumerate() {
            assert_eq!(transport as usize, number);
        }
    }
}
