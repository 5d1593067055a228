//! What would be answered if some clusters were lost: a snapshot of the same table as the host would publish it then, with
//! the same probes and the same memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use koinon_types::names::{EndpointState, NameTable, Withdrawal};

use super::health::{LastGood, Mode, Probed, RecordView, Verdicts};
use super::{BuildError, Input, Snapshot, build};

/// What is said of endpoints in a supposition.
const EVIDENCE: &str = "supposed to be unreachable";

impl Snapshot {
    /// The clusters that some name has an endpoint in.
    pub fn clusters(&self) -> BTreeSet<&str> {
        let endpoints = self.table.records.iter().flat_map(|record| &record.endpoints);
        endpoints.map(|endpoint| endpoint.cluster.as_str()).collect()
    }

    /// The snapshot that would follow this one if these clusters became unreachable now.
    ///
    /// # Errors
    /// As [`build`].
    pub fn if_down(&self, clusters: &BTreeSet<String>) -> Result<Self, BuildError> {
        let mut table = NameTable::clone(&self.table);
        for record in &mut table.records {
            for endpoint in record.endpoints.iter_mut().filter(|it| clusters.contains(&it.cluster)) {
                endpoint.state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
                EVIDENCE.clone_into(&mut endpoint.evidence);
                // As the host does when an endpoint is not to be answered.
                record.unstable = true;
            }
        }
        build(Input {
            table: &Arc::new(table),
            verdicts: &self.verdicts(),
            last_good: &self.remember(&self.last_good),
            before: self.versions(),
            atlas: &self.atlas,
            generation: self.generation + 1,
            seed: self.seed,
            now: self.now,
            signatures: &self.signatures,
        })
    }

    /// What probes said when this was built.
    fn verdicts(&self) -> Verdicts {
        let mut verdicts = Verdicts::new();
        for (record, view) in self.table.records.iter().zip(&self.records) {
            let views = view.iter().flat_map(|view| &view.endpoints);
            for (endpoint, view) in record.endpoints.iter().zip(views) {
                let probed = Probed {
                    record: record.source.clone(),
                    cluster: endpoint.cluster.clone(),
                    target: endpoint.target.clone(),
                };
                verdicts.extend(view.probe.clone().map(|verdict| (probed, verdict)));
            }
        }
        verdicts
    }
}

/// The part of a memory that does not follow from what is answered now.
pub(super) fn memory(table: &NameTable, views: &[Option<RecordView>], last_good: &LastGood) -> LastGood {
    let is_needed = |view: &RecordView| match view.mode {
        Mode::Healthy => false,
        Mode::Panic { .. }
        | Mode::WellHere
        | Mode::LastKnownGood
        | Mode::All
        | Mode::NoData
        | Mode::Empty => true,
    };
    let pairs = table.records.iter().zip(views);
    let needed = pairs.filter(|(_, view)| view.as_ref().is_some_and(is_needed));
    needed
        .filter_map(|(record, _)| Some((record.source.clone(), last_good.get(&record.source)?.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use koinon_types::names::ProbeOutcome;

    use super::*;
    use crate::snapshot::ProbeVerdict;
    use crate::snapshot::tests::support::{ask, record, snapshot_with, tcp_check, zone};

    /// What is answered if these clusters are lost, of a name whose probes of these others fail.
    fn supposed(failing: &[&str], down: &[&str]) -> Vec<String> {
        let mut shop = record("shop.example", &[("a", "192.0.2.1", 1), ("b", "192.0.2.2", 1)]);
        shop.addresses_max = 2;
        shop.check = Some(tcp_check());
        let verdict = || ProbeVerdict {
            outcome: ProbeOutcome::Failing { reason: "refused".into() },
            since_ms: 0,
            wavers: false,
        };
        let failing = shop.endpoints.iter().filter(|it| failing.contains(&it.cluster.as_str()));
        let probed = failing.map(|it| Probed {
            record: shop.source.clone(),
            cluster: it.cluster.clone(),
            target: it.target.clone(),
        });
        let verdicts: Verdicts = probed.map(|probed| (probed, verdict())).collect();
        let good = vec![shop.endpoints[1].target.clone()];
        let last_good = LastGood::from([(shop.source.clone(), good)]);
        let snapshot = snapshot_with(vec![zone("example", "")], vec![shop], &verdicts, &last_good);
        let down = down.iter().map(|cluster| (*cluster).to_owned()).collect();
        let supposed = snapshot.if_down(&down).expect("a small table");
        let told = ask(&supposed, "shop.example A");
        told.lines().skip(1).map(|line| line.replace("an shop.example ", "")).collect()
    }

    #[test]
    fn what_is_lost_leaves_and_what_is_remembered_and_probed_still_counts() {
        assert_eq!(supposed(&[], &[]), ["30 A 192.0.2.1", "30 A 192.0.2.2"]);
        assert_eq!(supposed(&[], &["a"]), ["5 A 192.0.2.2"]);
        assert_eq!(supposed(&["b"], &[]), ["30 A 192.0.2.1"], "probes say the same as before");
        // What is answered now is what is remembered then.
        assert_eq!(supposed(&["b"], &["a"]), ["5 A 192.0.2.1"]);
        // Nothing is healthy already: what was remembered for that still is.
        assert_eq!(supposed(&["a", "b"], &["a"]), ["5 A 192.0.2.2"]);
    }
}
