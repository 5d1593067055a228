//! One version as bytes: what it replaced, whose it is, what it says.
//!
//! ```text
//! replaced (8, 0 for none)  has a value (1)  namespace length (2)  namespace  name length (2)  name  value
//! ```
//! Numbers are little-endian. Lengths fit: Kubernetes' names have at most 253 bytes.

use bytes::Bytes;

use crate::Key;
use crate::store::Version;

/// Writes a version into `out`, which is emptied first.
pub(super) fn encode(key: &Key, replaced: Option<u64>, value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&replaced.unwrap_or(0).to_le_bytes());
    out.push(u8::from(value.is_some()));
    for text in [key.namespace(), key.name()] {
        let length = u16::try_from(text.len()).expect("names are far below 64 KiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(value.unwrap_or_default());
}

/// Reads a version; `None` when the bytes are none.
pub(super) fn decode(resource: &str, revision: u64, bytes: &[u8]) -> Option<Version> {
    let (replaced, rest) = bytes.split_first_chunk::<8>()?;
    let (has_value, rest) = rest.split_first()?;
    let (namespace, rest) = text(rest)?;
    let (name, value) = text(rest)?;
    let replaced = u64::from_le_bytes(*replaced);
    Some(Version {
        key: Key::new(resource, namespace, name),
        revision,
        replaced: (replaced != 0).then_some(replaced),
        value: (*has_value == 1).then(|| Bytes::copy_from_slice(value)),
    })
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let key = Key::new("apps/deployments", "shop", "cart");
        for (replaced, value) in [(None, Some(&b"{}"[..])), (Some(7), None), (Some(8), Some(&b""[..]))] {
            let mut bytes = Vec::new();
            encode(&key, replaced, value, &mut bytes);
            let version = decode("apps/deployments", 9, &bytes).unwrap();
            assert_eq!((&version.key, version.revision, version.replaced), (&key, 9, replaced));
            assert_eq!(version.value.as_deref(), value);
        }
        assert_eq!(decode("a", 1, b"short"), None);
    }
}
