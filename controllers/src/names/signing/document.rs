//! A zone's keys as they lie in the store: one Secret per zone, so that keys and what is known of them change together.
//!
//! ```text
//! Secret koinon-system/dnssec-<hash of the apex>, type koinon.io/dnssec-key
//!   data.zone   the apex
//!   data.keys   JSON: keys (private parts sealed), versions, what the parent had and was asked for
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_machinery::Value;
use koinon_model::time::Timestamp;
use koinon_policies::zone_keys::{Key, KeyId, Role, Sighting, Signs, State, Version, Wish};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Where the Secrets are.
pub(super) const NAMESPACE: &str = "koinon-system";

/// Their type.
pub(super) const TYPE: &str = "koinon.io/dnssec-key";

/// What is kept of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::names) struct Kept {
    /// The apex.
    pub(super) zone: String,
    /// Its keys and their history.
    pub(super) state: State,
    /// The bytes of each key of the state.
    pub(super) sealed: BTreeMap<KeyId, Sealed>,
    /// How long signatures were good for, seconds.
    pub(super) validity: u32,
}

/// One key, its private part sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// x and y.
    #[serde(with = "base64_text")]
    pub(super) public: Vec<u8>,
    /// The name of the master key that it is sealed with.
    pub(super) master: String,
    /// Its PKCS#8, sealed.
    #[serde(with = "base64_text")]
    pub(super) private: Vec<u8>,
}

/// The name of a zone's Secret: apexes are longer than names of objects may be, and have other letters.
pub(super) fn secret_name(apex: &str) -> String {
    let digest = digest::digest(&digest::SHA256, apex.as_bytes());
    format!("dnssec-{}", hex(&digest.as_ref()[..10]))
}

/// What a private key is sealed for: nobody can put it in the place of another one.
pub(super) fn purpose(apex: &str, id: KeyId) -> String {
    format!("koinon dnssec key 1 {apex} {}", hex(&id.0))
}

/// The Secret of a zone.
pub(super) fn write(kept: &Kept) -> Value {
    let document = Document::from(kept);
    let text =
        serde_json::to_string(&document).expect("it is made of texts, numbers, lists and maps of texts");
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": TYPE,
        "metadata": {"namespace": NAMESPACE, "name": secret_name(&kept.zone)},
        "data": {"zone": BASE64.encode(&kept.zone), "keys": BASE64.encode(text)},
    })
}

/// Reads a zone's Secret.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn read(secret: &Value) -> Result<Kept, String> {
    let bytes = |key: &str| -> Result<Vec<u8>, String> {
        let text = secret["data"][key].as_str().ok_or_else(|| format!("data.{key} is missing"))?;
        BASE64.decode(text).map_err(|_| format!("data.{key} is not base64"))
    };
    let zone = String::from_utf8(bytes("zone")?).map_err(|_| "data.zone is not text".to_owned())?;
    let document: Document =
        serde_json::from_slice(&bytes("keys")?).map_err(|error| format!("data.keys: {error}"))?;
    document.into_kept(zone)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    validity_seconds: u32,
    propagation_seconds: u64,
    rolled: String,
    keys: Vec<WireKey>,
    versions: Vec<WireVersion>,
    parent: Vec<WireSighting>,
    asked: Vec<BTreeSet<Id>>,
    asked_alone_from_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    id: Id,
    role: WireRole,
    created_ms: i64,
    retired_ms: Option<i64>,
    #[serde(flatten)]
    sealed: Sealed,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum WireRole {
    Combined,
    Entry,
    Zone,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVersion {
    keys: BTreeMap<Id, WireSigns>,
    wish: WireWish,
    zone_ttl_seconds: u64,
    keys_ttl_seconds: u64,
    confirmed_ms: Option<i64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum WireSigns {
    Nothing,
    Keys,
    Zone,
    Everything,
}

#[derive(Serialize, Deserialize)]
enum WireWish {
    Silent,
    Trust(BTreeSet<Id>),
    Delete,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSighting {
    trusted: BTreeSet<Id>,
    foreign: bool,
    ttl_seconds: u64,
    gone_ms: Option<i64>,
}

/// A key's name in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Id(KeyId);

impl From<Id> for String {
    fn from(id: Id) -> Self {
        hex(&id.0.0)
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| text.len() == 16);
        let number =
            number.ok_or_else(|| format!("{text} is no name of a key: 16 hexadecimal digits are"))?;
        Ok(Self(KeyId(number.to_be_bytes())))
    }
}

// === impl Document ===

impl From<&Kept> for Document {
    fn from(kept: &Kept) -> Self {
        let state = &kept.state;
        let key = |key: &Key| {
            Some(WireKey {
                id: Id(key.id),
                role: role_out(key.role),
                created_ms: key.created.as_millis(),
                retired_ms: key.retired.map(Timestamp::as_millis),
                sealed: kept.sealed.get(&key.id)?.clone(),
            })
        };
        let version = |version: &Version| WireVersion {
            keys: version.keys.iter().map(|(id, signs)| (Id(*id), signs_out(*signs))).collect(),
            wish: match &version.wish {
                Wish::Silent => WireWish::Silent,
                Wish::Trust(keys) => WireWish::Trust(ids_out(keys)),
                Wish::Delete => WireWish::Delete,
            },
            zone_ttl_seconds: version.zone_ttl.as_secs(),
            keys_ttl_seconds: version.keys_ttl.as_secs(),
            confirmed_ms: version.confirmed.map(Timestamp::as_millis),
        };
        let sighting = |sighting: &Sighting| WireSighting {
            trusted: ids_out(&sighting.trusted),
            foreign: sighting.foreign,
            ttl_seconds: sighting.ttl.as_secs(),
            gone_ms: sighting.gone.map(Timestamp::as_millis),
        };
        Self {
            validity_seconds: kept.validity,
            propagation_seconds: state.propagation.as_secs(),
            rolled: state.rolled.clone(),
            keys: state.keys.iter().filter_map(key).collect(),
            versions: state.versions.iter().map(version).collect(),
            parent: state.parent.iter().map(sighting).collect(),
            asked: state.asked.iter().map(ids_out).collect(),
            asked_alone_from_ms: state.asked_alone_from.map(Timestamp::as_millis),
        }
    }
}

impl Document {
    fn into_kept(self, zone: String) -> Result<Kept, String> {
        let mut sealed = BTreeMap::new();
        let mut keys = Vec::new();
        for key in self.keys {
            let id = key.id.0;
            let retired = key.retired_ms.map(Timestamp::from_millis);
            let created = Timestamp::from_millis(key.created_ms);
            keys.push(Key { id, role: role_in(key.role), created, retired });
            sealed.insert(id, key.sealed);
        }
        let version = |version: WireVersion| Version {
            keys: version.keys.into_iter().map(|(id, signs)| (id.0, signs_in(signs))).collect(),
            wish: match version.wish {
                WireWish::Silent => Wish::Silent,
                WireWish::Trust(keys) => Wish::Trust(ids_in(keys)),
                WireWish::Delete => Wish::Delete,
            },
            zone_ttl: Duration::from_secs(version.zone_ttl_seconds),
            keys_ttl: Duration::from_secs(version.keys_ttl_seconds),
            confirmed: version.confirmed_ms.map(Timestamp::from_millis),
        };
        let sighting = |sighting: WireSighting| Sighting {
            trusted: ids_in(sighting.trusted),
            foreign: sighting.foreign,
            ttl: Duration::from_secs(sighting.ttl_seconds),
            gone: sighting.gone_ms.map(Timestamp::from_millis),
        };
        let state = State {
            keys,
            versions: self.versions.into_iter().map(version).collect(),
            parent: self.parent.into_iter().map(sighting).collect(),
            asked: self.asked.into_iter().map(ids_in).collect(),
            asked_alone_from: self.asked_alone_from_ms.map(Timestamp::from_millis),
            rolled: self.rolled,
            propagation: Duration::from_secs(self.propagation_seconds),
        };
        let named = state.versions.iter().flat_map(|version| version.keys.keys());
        if let Some(missing) = named.into_iter().find(|id| !sealed.contains_key(id)) {
            return Err(format!("data.keys names key {} and does not hold it", hex(&missing.0)));
        }
        Ok(Kept { zone, state, sealed, validity: self.validity_seconds })
    }
}

fn ids_out(ids: &BTreeSet<KeyId>) -> BTreeSet<Id> {
    ids.iter().copied().map(Id).collect()
}

fn ids_in(ids: BTreeSet<Id>) -> BTreeSet<KeyId> {
    ids.into_iter().map(|id| id.0).collect()
}

fn role_out(role: Role) -> WireRole {
    match role {
        Role::Combined => WireRole::Combined,
        Role::Entry => WireRole::Entry,
        Role::Zone => WireRole::Zone,
    }
}

fn role_in(role: WireRole) -> Role {
    match role {
        WireRole::Combined => Role::Combined,
        WireRole::Entry => Role::Entry,
        WireRole::Zone => Role::Zone,
    }
}

fn signs_out(signs: Signs) -> WireSigns {
    match signs {
        Signs::Nothing => WireSigns::Nothing,
        Signs::Keys => WireSigns::Keys,
        Signs::Zone => WireSigns::Zone,
        Signs::Everything => WireSigns::Everything,
    }
}

fn signs_in(signs: WireSigns) -> Signs {
    match signs {
        WireSigns::Nothing => Signs::Nothing,
        WireSigns::Keys => Signs::Keys,
        WireSigns::Zone => Signs::Zone,
        WireSigns::Everything => Signs::Everything,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        let (one, two) = (KeyId([1; 8]), KeyId([0xfe; 8]));
        let at = Timestamp::from_millis;
        let seconds = Duration::from_secs;
        let key = |id, role, retired| Key { id, role, created: at(5), retired };
        let version = |wish, confirmed| Version {
            keys: [(one, Signs::Keys), (two, Signs::Nothing)].into(),
            wish,
            zone_ttl: seconds(300),
            keys_ttl: seconds(3600),
            confirmed,
        };
        let state = State {
            keys: vec![key(one, Role::Entry, None), key(two, Role::Zone, Some(at(9)))],
            versions: vec![
                version(Wish::Silent, Some(at(6))),
                version(Wish::Trust([one].into()), Some(at(7))),
                version(Wish::Delete, None),
            ],
            parent: vec![Sighting {
                trusted: [one].into(),
                foreign: true,
                ttl: seconds(60),
                gone: Some(at(8)),
            }],
            asked: vec![[one].into(), BTreeSet::new()],
            asked_alone_from: Some(at(9)),
            rolled: "2026-11".into(),
            propagation: seconds(3600),
        };
        let sealed = |byte| Sealed { public: vec![byte; 64], master: "m".into(), private: vec![byte; 90] };
        let kept = Kept {
            zone: "example.com".into(),
            state,
            sealed: [(one, sealed(1)), (two, sealed(2))].into(),
            validity: 86_400,
        };
        let mut secret = write(&kept);
        assert_eq!(read(&secret), Ok(kept.clone()));
        assert!(secret_name(&"a".repeat(300)).len() < 63);
        let text = |kept: &Kept| serde_json::to_string(&Document::from(kept)).unwrap();
        let cut = Kept { sealed: [(one, sealed(1))].into(), ..kept };
        secret["data"]["keys"] = json!(BASE64.encode(text(&cut)));
        let problem = read(&secret).unwrap_err();
        assert!(problem.contains("names key fefefefefefefefe"), "{problem}");
        secret["data"]["keys"] = json!("?");
        assert_eq!(read(&secret), Err("data.keys is not base64".to_owned()));
    }
}
