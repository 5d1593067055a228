//! Keys as bytes: made, named, and as DNSKEY and DS records know them. Algorithm 13 only: ECDSA P-256 with SHA-256 (RFC 6605).

use koinon_policies::zone_keys::KeyId;
use koinon_types::dns::dnskey::{self, ALGORITHM, DigestType, dnskey, key_tag};
use koinon_types::dns::name::Name;
use ring::digest;
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

/// What DS records are made with.
pub(super) const DIGEST_TYPE: DigestType = DigestType::Sha256;

/// A key pair.
pub(super) struct Material {
    /// PKCS#8, DER.
    pub(super) private: Vec<u8>,
    /// x and y, 32 bytes each.
    pub(super) public: Vec<u8>,
}

/// Makes a key pair.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn generate(random: &SystemRandom) -> Result<Material, Unspecified> {
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), random)
        .map_err(|_| Unspecified)?;
    // An uncompressed point (SEC 1): 4, x, y.
    let public = pair.public_key().as_ref()[1..].to_vec();
    Ok(Material { private: private.as_ref().to_vec(), public })
}

/// The name of a key.
pub(super) fn id(public: &[u8]) -> KeyId {
    let digest = digest::digest(&digest::SHA256, public);
    KeyId(*digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
}

/// Its tag.
pub(super) fn tag(public: &[u8], is_entry: bool) -> u16 {
    key_tag(&dnskey(public, is_entry))
}

/// The digest of its DS record. The parent trusts ways in only.
///
/// Shape: none when the apex is no domain name, which the door has excluded.
pub(super) fn ds_digest(apex: &str, public: &[u8]) -> Option<Vec<u8>> {
    let owner: Name = apex.parse().ok()?;
    Some(dnskey::ds_digest(&owner, &dnskey(public, true), DIGEST_TYPE))
}

/// The data of its DS record as a zone file writes it.
pub(super) fn ds_text(apex: &str, public: &[u8]) -> Option<String> {
    let digest = ds_digest(apex, public)?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(format!("{} {ALGORITHM} {} {hex}", tag(public, true), DIGEST_TYPE as u8))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    /// RFC 6605 §6.1: a key of example.net, and its DS record.
    #[test]
    fn tags_and_digests_are_those_of_the_rfc() {
        let text = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
        let public = BASE64.decode(text).expect("base64");
        assert_eq!(tag(&public, true), 55648);
        let ds = "55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17";
        assert_eq!(ds_text("example.net", &public).as_deref(), Some(ds));
        assert_ne!(tag(&public, false), 55648);
    }

    #[test]
    fn every_key_is_another_one() {
        let random = SystemRandom::new();
        let (one, other) = (generate(&random).unwrap(), generate(&random).unwrap());
        assert_eq!(one.public.len(), 64);
        assert_ne!(id(&one.public), id(&other.public));
    }
}
