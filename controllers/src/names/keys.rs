//! The keys that secondaries and updaters are known by: from Secrets of the host to what the table carries.
//!
//! A key that cannot be read lets nobody in: its entry is left out as a whole, and the zone's status says why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_model::served_name::Host;
use koinon_types::convert::{CheckedPeer, CheckedTransfer, CheckedUpdater};
use koinon_types::names::{Grant, Notified, Secret, Transfer, TsigAlgorithm, TsigKey, UpdateGrant};
use koinon_types::v1alpha1::SecretRef;

use crate::resources;

/// The type of Secrets that hold a key.
const TYPE: &str = "koinon.io/tsig";

/// Fewest bytes of a key. A shorter one can be guessed from one signed message.
const SECRET_LENGTH_MIN: usize = 16;

/// Whether a Secret may hold a key, so that tables depend on it.
pub(super) fn is_key(secret: &Stored) -> bool {
    secret.value()["type"] == TYPE
}

/// Reads the keys of a zone's transfers.
///
/// Shape: what can be used, and for each entry that cannot be, its field and why.
pub(super) fn resolve(client: &Client, checked: &CheckedTransfer) -> (Transfer, Vec<String>) {
    let mut transfer = Transfer::default();
    let mut problems = Vec::new();
    for (index, peer) in checked.allow.iter().enumerate() {
        match grant(client, peer) {
            Ok(grant) => transfer.allow.push(grant),
            Err(problem) => problems.push(format!("spec.transfer.allow[{index}].keyRef: {problem}")),
        }
    }
    for (index, target) in checked.notify.iter().enumerate() {
        match target.key.as_ref().map(|secret| find(client, secret)).transpose() {
            Ok(key) => transfer.notify.push(Notified { address: target.address, key }),
            Err(problem) => problems.push(format!("spec.transfer.notify[{index}].keyRef: {problem}")),
        }
    }
    (transfer, problems)
}

/// Reads the keys of those who may update a zone.
///
/// Shape: as of [`resolve`].
pub(super) fn resolve_updaters(
    client: &Client,
    checked: &[CheckedUpdater],
) -> (Vec<UpdateGrant>, Vec<String>) {
    let (mut allow, mut problems) = (Vec::new(), Vec::new());
    for (index, CheckedUpdater { key, network, names, types }) in checked.iter().enumerate() {
        match find(client, key) {
            Ok(key) => {
                allow.push(UpdateGrant {
                    key,
                    network: *network,
                    names: names.clone(),
                    types: types.clone(),
                });
            }
            Err(problem) => problems.push(format!("spec.updates.allow[{index}].keyRef: {problem}")),
        }
    }
    (allow, problems)
}

fn grant(client: &Client, peer: &CheckedPeer) -> Result<Grant, String> {
    match peer {
        CheckedPeer::From(network) => Ok(Grant::From(*network)),
        CheckedPeer::With(secret) => find(client, secret).map(Grant::With),
        CheckedPeer::Both(network, secret) => find(client, secret).map(|key| Grant::Both(*network, key)),
        CheckedPeer::Encrypted(peer) => grant(client, peer).map(|grant| Grant::Encrypted(Box::new(grant))),
    }
}

fn find(client: &Client, secret: &SecretRef) -> Result<TsigKey, String> {
    let at = format!("Secret {}/{}", secret.namespace, secret.name);
    match client.get(&resources::secrets(), &secret.namespace, &secret.name) {
        Some(object) => read(&object.value()).map_err(|problem| format!("{at}: {problem}")),
        None => Err(format!("{at} does not exist")),
    }
}

/// Reads the key in a Secret, or says what would be accepted.
fn read(secret: &Value) -> Result<TsigKey, String> {
    if secret["type"] != TYPE {
        return Err(format!("its type must be {TYPE}"));
    }
    let text = |key: &str| -> Result<Option<String>, String> {
        let Some(encoded) = secret["data"][key].as_str() else { return Ok(None) };
        let bytes = BASE64.decode(encoded).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| format!("data.{key} must be text"))?;
        Ok(Some(text.trim().to_owned()))
    };
    let algorithm = match text("algorithm")? {
        None => TsigAlgorithm::default(),
        Some(name) => TsigAlgorithm::named(&name).ok_or_else(|| {
            let known = TsigAlgorithm::ALL.map(TsigAlgorithm::as_str).join(", ");
            format!("data.algorithm must be one of {known}")
        })?,
    };
    let name = text("name")?.and_then(|name| Host::try_from(name.as_str()).ok());
    let name = name.ok_or("data.name must be the key's name, a domain name")?.to_string();
    let secret = text("secret")?.and_then(|secret| BASE64.decode(secret).ok());
    let secret = secret
        .filter(|secret| secret.len() >= SECRET_LENGTH_MIN)
        .ok_or_else(|| format!("data.secret must be base64 of at least {SECRET_LENGTH_MIN} bytes"))?;
    Ok(TsigKey { name, algorithm, secret: Secret::new(secret) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(data: &[(&str, &str)]) -> Value {
        let data: serde_json::Map<String, serde_json::Value> =
            data.iter().map(|(key, text)| ((*key).to_owned(), json!(BASE64.encode(text)))).collect();
        Value::from(json!({"type": TYPE, "data": data}))
    }

    #[test]
    fn reads_a_key_as_name_servers_write_it() {
        let bytes = [7; 32];
        let key = read(&secret(&[
            ("algorithm", "HMAC-SHA512."),
            ("name", "Secondary.Example."),
            ("secret", &format!("{}\n", BASE64.encode(bytes))),
        ]));
        let wanted = TsigKey {
            name: "secondary.example".into(),
            algorithm: TsigAlgorithm::HmacSha512,
            secret: Secret::new(bytes.to_vec()),
        };
        assert_eq!(key, Ok(wanted));
        let key = read(&secret(&[("name", "k"), ("secret", &BASE64.encode(bytes))])).unwrap();
        assert_eq!(key.algorithm, TsigAlgorithm::HmacSha256);
    }

    #[test]
    fn a_key_that_cannot_be_used_says_what_would_be() {
        let good = BASE64.encode([7; 32]);
        for (data, said) in [
            (&[("algorithm", "hmac-sha1"), ("name", "k"), ("secret", &*good)][..], "hmac-sha256"),
            (&[("algorithm", "hmac-md5.sig-alg.reg.int"), ("name", "k"), ("secret", &*good)], "hmac-sha256"),
            (&[("secret", &*good)], "data.name"),
            (&[("name", "not a name"), ("secret", &*good)], "data.name"),
            (&[("name", "k")], "data.secret"),
            (&[("name", "k"), ("secret", "not base64!")], "data.secret"),
            (&[("name", "k"), ("secret", "c2hvcnQ=")], "at least 16 bytes"),
        ] {
            let problem = read(&secret(data)).unwrap_err();
            assert!(problem.contains(said), "{data:?}: {problem}");
        }
        assert!(read(&Value::from(json!({"type": "Opaque"}))).unwrap_err().contains(TYPE));
    }
}
