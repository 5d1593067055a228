//! What a zone's keys put into its tree.

use koinon_types::names::Zone;

use super::Tree;
use crate::dnssec::{Keyring, apex_sets};
use crate::wire::name::Name;
use crate::wire::rdata::Rdata;
use crate::wire::rtype;

impl Tree {
    /// Takes the keys of a zone and enters their records. With keys that cannot sign, the zone is served without signatures: that
    /// is all that those can use who do not validate, and the others believe neither.
    pub(super) fn enter_keys(&mut self, number: usize, zone: &Zone) {
        let Some(signing) = &zone.signing else { return };
        let head = &mut self.zones[number];
        match Keyring::new(&head.apex, signing) {
            Ok(keys) => head.keys = Some(keys),
            Err(error) => return self.refuse(&zone.apex, &format!("signing: {error}")),
        }
        let (apex, node) = (head.apex.clone(), head.node);
        for (rtype, data) in apex_sets(&apex, signing) {
            self.put(node, rtype, signing.ttl, Rdata::opaque(&data));
        }
    }

    /// Why a static record cannot stand in a zone that is signed here.
    pub(super) fn conflict_with_keys(&self, number: usize, name: &Name, rtype: u16) -> Option<&'static str> {
        let head = &self.zones[number];
        if head.keys.is_none() || head.apex != *name {
            return None;
        }
        match rtype {
            rtype::DNSKEY | rtype::CDS | rtype::CDNSKEY => {
                Some("the zone is signed here, with keys of its own")
            }
            rtype::DS => Some("DS records of an apex belong into the zone above"),
            _ => None,
        }
    }
}
