//! One version as bytes: what it replaced, whose it is, what it says.
//!
//! ```text
//! replaced (8, 0 for none)  form (1)  namespace length (2)  namespace  name length (2)  name  value
//! ```
//! Numbers are little-endian. Lengths fit: Kubernetes' names have at most 253 bytes. A value is compressed when that makes
//! it shorter: objects are mostly words that every object has, and those are in a dictionary that both sides know.

use std::io;
use std::sync::LazyLock;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::Key;
use crate::store::Version;

/// Objects as a host has them. A file can only be read with the very bytes that it was written with, so this one never
/// changes: a better one gets a form of its own.
static DICTIONARY: &[u8] = include_bytes!("dictionary.txt");

/// Zstandard's default. A Deployment of 2.5 KB or a binding of 3.8 KB becomes a tenth, in 5 to 7 µs.
const LEVEL: i32 = 3;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// How the value of a version is written.
mod form {
    /// There is none: a deletion.
    pub(super) const NONE: u8 = 0;
    /// As it is.
    pub(super) const PLAIN: u8 = 1;
    /// Its length (4), then Zstandard's frame of it with the dictionary.
    pub(super) const ZSTD: u8 = 2;
}

/// Writes versions.
pub(super) struct Writer {
    compressor: Compressor<'static>,
    /// Reused for every version, so that a group of them allocates once.
    out: Vec<u8>,
}

/// Reads versions.
pub(super) struct Reader {
    decompressor: Decompressor<'static>,
}

// === impl Writer ===

impl Writer {
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { compressor: Compressor::with_prepared_dictionary(&ENCODER)?, out: Vec::new() })
    }

    /// The bytes of a version.
    ///
    /// # Errors
    /// When the value cannot be compressed for lack of memory.
    pub(super) fn encode(
        &mut self,
        key: &Key,
        replaced: Option<u64>,
        value: Option<&[u8]>,
    ) -> io::Result<&[u8]> {
        let out = &mut self.out;
        out.clear();
        out.extend_from_slice(&replaced.unwrap_or(0).to_le_bytes());
        let form = out.len();
        out.push(form::NONE);
        for text in [key.namespace(), key.name()] {
            let length = u16::try_from(text.len()).expect("names are far below 64 KiB");
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        let Some(value) = value else { return Ok(out) };
        let packed = self.compressor.compress(value)?;
        match u32::try_from(value.len()) {
            Ok(length) if packed.len() + size_of::<u32>() < value.len() => {
                out[form] = form::ZSTD;
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(&packed);
            }
            _ => {
                out[form] = form::PLAIN;
                out.extend_from_slice(value);
            }
        }
        Ok(out)
    }
}

// === impl Reader ===

impl Reader {
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { decompressor: Decompressor::with_prepared_dictionary(&DECODER)? })
    }

    /// Reads a version; `None` when the bytes are none.
    pub(super) fn decode(&mut self, resource: &str, revision: u64, bytes: &[u8]) -> Option<Version> {
        let (replaced, rest) = bytes.split_first_chunk::<8>()?;
        let (form, rest) = rest.split_first()?;
        let (namespace, rest) = text(rest)?;
        let (name, value) = text(rest)?;
        let replaced = u64::from_le_bytes(*replaced);
        let value = match *form {
            form::NONE => None,
            form::PLAIN => Some(Bytes::copy_from_slice(value)),
            form::ZSTD => Some(self.unpack(value)?),
            _ => return None,
        };
        let replaced = (replaced != 0).then_some(replaced);
        Some(Version { key: Key::new(resource, namespace, name), revision, replaced, value })
    }

    fn unpack(&mut self, bytes: &[u8]) -> Option<Bytes> {
        let (length, packed) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let value = self.decompressor.decompress(packed, length).ok()?;
        (value.len() == length).then(|| value.into())
    }
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
        let (mut writer, mut reader) = (Writer::new().unwrap(), Reader::new().unwrap());
        let long = DICTIONARY.repeat(100);
        let values = [None, Some(&b""[..]), Some(b"{}"), Some(DICTIONARY), Some(&long)];
        for (number, value) in (0_u64..).zip(values) {
            let replaced = (number > 0).then_some(number);
            let bytes = writer.encode(&key, replaced, value).unwrap();
            let version = reader.decode("apps/deployments", 9, bytes).unwrap();
            assert_eq!((&version.key, version.revision, version.replaced), (&key, 9, replaced));
            assert_eq!(version.value.as_deref(), value);
        }
        assert_eq!(reader.decode("a", 1, b"short"), None);
    }

    #[test]
    fn an_object_takes_a_fraction_of_its_size() {
        let key = Key::new("configmaps", "shop", "settings");
        let object = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"2026-03-07T11:22:33Z","labels":{"team":"checkout"},"managedFields":[{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:currency":{},"f:locale":{}},"f:metadata":{"f:labels":{"f:team":{}}}},"manager":"kubectl","operation":"Apply","time":"2026-03-07T11:22:33Z"}],"name":"settings","namespace":"shop","uid":"0b6f0a52-6e1d-4a3e-9a47-5d2f6b1c9e10"},"data":{"currency":"EUR","locale":"de_DE"}}"#;
        let mut writer = Writer::new().unwrap();
        let bytes = writer.encode(&key, None, Some(object)).unwrap();
        assert!(bytes.len() < object.len() / 2, "{} of {}", bytes.len(), object.len());
    }

    #[test]
    fn what_was_cut_or_altered_is_no_version() {
        let key = Key::new("configmaps", "shop", "settings");
        let (mut writer, mut reader) = (Writer::new().unwrap(), Reader::new().unwrap());
        let bytes = writer.encode(&key, None, Some(&DICTIONARY[..2000])).unwrap().to_vec();
        for length in 0..bytes.len() {
            assert_eq!(reader.decode("configmaps", 1, &bytes[..length]), None, "cut to {length}");
        }
        let mut longer = bytes.clone();
        longer[size_of::<u64>()] = 77;
        assert_eq!(reader.decode("configmaps", 1, &longer), None, "an unknown form");
    }
}
