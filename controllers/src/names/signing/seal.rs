//! What keeps private keys secret at rest: a master key that is not in the store.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;

/// Bytes of a master key.
pub const MASTER_KEY_LENGTH: usize = 32;

/// The key that private keys are sealed with (AES-256-GCM). It is never printed.
pub struct MasterKey {
    // Expanded, it has half a kilobyte.
    key: Box<LessSafeKey>,
    name: String,
}

/// The master key, or why there is none.
#[derive(Debug)]
pub enum Master {
    /// It is there.
    Present(MasterKey),
    /// It is not, although keys are sealed with one; the text says where it is looked for.
    Missing(String),
}

// === impl MasterKey ===

impl MasterKey {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: &[u8; MASTER_KEY_LENGTH]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes");
        let known_by = digest::digest(&digest::SHA256, &[b"koinon master key".as_slice(), bytes].concat());
        let name = known_by.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { key: Box::new(LessSafeKey::new(key)), name }
    }

    /// A name by which the right one is known, and from which nothing can be learnt about it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seals bytes for one purpose. `nonce` is random and used once; drawn at random, 96 bits last for 2^32 seals.
    ///
    /// Shape: the nonce, the bytes, and a proof of 16 bytes.
    pub(super) fn seal(&self, purpose: &str, bytes: &[u8], nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut sealed = bytes.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(purpose.as_bytes()), &mut sealed)
            .expect("a key is far shorter than AES-GCM's limit of 64 GiB");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what was sealed for this purpose with this key; none for anything else.
    pub(super) fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        Some(opened.to_vec())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_the_same_purpose_and_key_only() {
        let key = MasterKey::new(&[1; 32]);
        let sealed = key.seal("example.com 1", b"private", [7; 12]);
        assert!(!sealed.windows(7).any(|bytes| bytes == b"private"));
        assert_eq!(key.open("example.com 1", &sealed).as_deref(), Some(&b"private"[..]));
        assert_eq!(key.open("example.org 1", &sealed), None, "a key of another zone was put in its place");
        assert_eq!(MasterKey::new(&[2; 32]).open("example.com 1", &sealed), None);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key.open("example.com 1", &changed), None, "byte {place} was changed");
        }
        assert_eq!(key.open("example.com 1", &sealed[..11]), None);
    }

    #[test]
    fn a_master_key_is_known_by_its_name() {
        let (one, other) = (MasterKey::new(&[1; 32]), MasterKey::new(&[2; 32]));
        assert_ne!(one.name(), other.name());
        assert_eq!(one.name(), MasterKey::new(&[1; 32]).name());
        assert!(format!("{one:?}").len() < 30);
    }
}
