//! Random zones, signed: every answer validates, and says with signatures what it says without.

use koinon_types::names::NameTable;
use proptest::prelude::*;

use super::oracle::{name_below, tables};
use super::support::{NOW, ask, signing, snapshot};
use super::validator::{Finding, validate};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_validates(
        table in tables(),
        names in prop::collection::vec(name_below("example", &["a", "b", "q", "*"]), 12),
    ) {
        let mut table: NameTable = table;
        for zone in &mut table.zones {
            zone.signing = Some(signing());
        }
        let snapshot = snapshot(table.zones.clone(), table.records.clone());
        for name in &names {
            for kind in ["A", "AAAA", "TXT", "CNAME", "NS", "SOA", "DNAME", "DS", "DNSKEY", "ANY", "NSEC"] {
                let question = format!("{name} {kind}");
                let plain = ask(&snapshot, &question);
                match validate(&snapshot, &table, &question, NOW) {
                    Ok((finding, _)) => {
                        let is_missing = plain.starts_with("NXDOMAIN");
                        prop_assert_eq!(finding == Finding::Missing, is_missing, "{}: {}", question, plain);
                    }
                    Err(error) => prop_assert!(false, "{}: {}\n{}", question, error, plain),
                }
            }
        }
    }
}
