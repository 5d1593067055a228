//! ServiceAccount tokens: JSON web tokens that this server signs and recognises.
//!
//! A token is bound to its ServiceAccount by uid: whoever deletes and creates the account again invalidates it. ES256
//! over the key in the data folder, so that tokens survive restarts; no other issuer is trusted.
//! Source: RFC 7519, RFC 7518 §3.4; the claims of Kubernetes' bound tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use rustls::pki_types::{SignatureVerificationAlgorithm, alg_id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::User;

/// The issuer and default audience, as inside every cluster.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// What Kubernetes allows at least, so that clients can renew in time.
pub(crate) const SECONDS_MIN: i64 = 600;
/// An hour, as upstream gives when nothing is asked for.
pub(crate) const SECONDS_DEFAULT: i64 = 3600;
/// A day: the longest token we sign; longer ones need a real identity provider.
pub(crate) const SECONDS_MAX: i64 = 86_400;

/// Half of a P-256 signature.
const SCALAR_BYTES: usize = 32;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// For whom the token is meant.
    pub aud: Vec<String>,
    /// Until when it holds, in seconds since 1970.
    pub exp: i64,
    /// Since when it holds.
    pub iat: i64,
    /// Who signed it.
    pub iss: String,
    /// The account and its namespace.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Bound,
    /// Before when it does not hold.
    pub nbf: i64,
    /// The user name.
    pub sub: String,
}

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The namespace of the account.
    pub namespace: String,
    /// The account.
    pub serviceaccount: Account,
}

/// A ServiceAccount at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The identity.
    pub uid: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a token of ours at all.
    #[error("malformed token")]
    Malformed,
    /// Not signed by our key.
    #[error("signature does not match")]
    Signature,
    /// No longer, or not yet.
    #[error("token is not valid at this time")]
    Time,
    /// The account is gone, or another one of the same name.
    #[error("the account of the token does not exist any more")]
    Account,
    /// Meant for somebody else.
    #[error("token is not meant for this server")]
    Audience,
}

// === impl Claims ===

impl Claims {
    /// The claims of a token for `account` in `namespace` that holds from `now` for `seconds`.
    pub fn new(
        namespace: &str,
        account: Account,
        audiences: Vec<String>,
        now: Timestamp,
        seconds: i64,
    ) -> Self {
        let now = now.as_second();
        Self {
            aud: if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences },
            exp: now + seconds,
            iat: now,
            iss: ISSUER.to_owned(),
            sub: format!("system:serviceaccount:{namespace}:{}", account.name),
            kubernetes: Bound { namespace: namespace.to_owned(), serviceaccount: account },
            nbf: now,
        }
    }

    /// The user that a token with these claims stands for.
    pub fn user(&self) -> User {
        let namespace = &self.kubernetes.namespace;
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        User {
            uid: self.kubernetes.serviceaccount.uid.clone(),
            ..User::authenticated(self.sub.clone(), groups)
        }
    }
}

/// Signs `claims`.
///
/// `None` when the key cannot sign, which a key that was loaded can.
pub fn sign(key: &KeyPair, claims: &Claims) -> Option<String> {
    let header = json!({"alg": "ES256", "kid": key_id(key)});
    let text = format!(
        "{}.{}",
        BASE64URL.encode(header.to_string()),
        BASE64URL.encode(serde_json::to_vec(claims).ok()?)
    );
    let signature = fixed_from_der(&key.sign(text.as_bytes()).ok()?)?;
    Some(format!("{text}.{}", BASE64URL.encode(signature)))
}

/// Reads a token that our key signed, that holds at `now` and is meant for one of `audiences`.
///
/// # Errors
/// Why the token is refused.
pub fn verify(key: &KeyPair, token: &str, audiences: &[&str], now: Timestamp) -> Result<Claims, Refused> {
    let (text, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, payload) = text.split_once('.').ok_or(Refused::Malformed)?;
    let header: serde_json::Value = decode(header)?;
    if header["alg"] != "ES256" {
        return Err(Refused::Malformed);
    }
    let signature = BASE64URL.decode(signature).map_err(|_| Refused::Malformed)?;
    let signature = der_from_fixed(&signature).ok_or(Refused::Malformed)?;
    algorithm()
        .and_then(|algorithm| algorithm.verify_signature(key.der_bytes(), text.as_bytes(), &signature).ok())
        .ok_or(Refused::Signature)?;
    let claims: Claims = decode(payload)?;
    if claims.iss != ISSUER || !claims.aud.iter().any(|audience| audiences.contains(&audience.as_str())) {
        return Err(Refused::Audience);
    }
    if now.as_second() < claims.nbf || now.as_second() >= claims.exp {
        return Err(Refused::Time);
    }
    Ok(claims)
}

/// The name of a key: the hash of its public half.
pub(crate) fn key_id(key: &KeyPair) -> String {
    BASE64URL.encode(Sha256::digest(key.der_bytes()))
}

/// The public half as a JSON web key set, for those who verify our tokens.
pub(crate) fn key_set(key: &KeyPair) -> serde_json::Value {
    // An uncompressed point: 0x04, x, y.
    let point = key.der_bytes();
    let half = |from: usize| BASE64URL.encode(point.get(from..from + SCALAR_BYTES).unwrap_or_default());
    json!({"keys": [{"use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": key_id(key),
        "x": half(1), "y": half(1 + SCALAR_BYTES)}]})
}

fn decode<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Refused> {
    let bytes = BASE64URL.decode(text).map_err(|_| Refused::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed)
}

fn algorithm() -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let provider = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    provider.all.iter().copied().find(|algorithm| {
        algorithm.public_key_alg_id() == alg_id::ECDSA_P256
            && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
    })
}

/// `SEQUENCE { INTEGER r, INTEGER s }` to `r || s`.
fn fixed_from_der(der: &[u8]) -> Option<[u8; 2 * SCALAR_BYTES]> {
    let mut fixed = [0; 2 * SCALAR_BYTES];
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    for half in fixed.chunks_mut(SCALAR_BYTES) {
        let (&length, tail) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (integer, tail) = tail.split_at_checked(usize::from(length))?;
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        half.get_mut(SCALAR_BYTES.checked_sub(digits.len())?..)?.copy_from_slice(digits);
        rest = tail;
    }
    Some(fixed)
}

/// `r || s` to `SEQUENCE { INTEGER r, INTEGER s }`.
fn der_from_fixed(fixed: &[u8]) -> Option<Vec<u8>> {
    if fixed.len() != 2 * SCALAR_BYTES {
        return None;
    }
    let mut body = Vec::with_capacity(2 * SCALAR_BYTES + 8);
    for half in fixed.chunks(SCALAR_BYTES) {
        let digits =
            half.iter().position(|byte| *byte != 0).map_or(&half[SCALAR_BYTES - 1..], |at| &half[at..]);
        let sign = usize::from(digits.first().is_some_and(|byte| *byte >= 0x80));
        body.push(0x02);
        body.push(u8::try_from(digits.len() + sign).ok()?);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend_from_slice(digits);
    }
    let mut der = vec![0x30, u8::try_from(body.len()).ok()?];
    der.append(&mut body);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(now: Timestamp) -> Claims {
        let account = Account { name: "robot".to_owned(), uid: "u1".to_owned() };
        Claims::new("shop", account, Vec::new(), now, 600)
    }

    #[test]
    fn recognises_its_own_tokens() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let key = KeyPair::generate().unwrap();
        // Many signatures, so that halves with leading zeroes and high bits are among them.
        for n in 0..600 {
            let mut claims = claims(now);
            claims.kubernetes.serviceaccount.uid = n.to_string();
            let token = sign(&key, &claims).unwrap();
            assert_eq!(verify(&key, &token, &[ISSUER], now), Ok(claims));
        }
    }

    #[test]
    fn refuses_what_it_did_not_sign_or_what_does_not_hold() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let key = KeyPair::generate().unwrap();
        let token = sign(&key, &claims(now)).unwrap();
        let later = Timestamp::from_second(1_800_000_600).unwrap();
        assert_eq!(verify(&key, &token, &[ISSUER], later), Err(Refused::Time));
        assert_eq!(verify(&key, &token, &["other"], now), Err(Refused::Audience));
        assert_eq!(verify(&KeyPair::generate().unwrap(), &token, &[ISSUER], now), Err(Refused::Signature));
        assert_eq!(verify(&key, "a.b", &[ISSUER], now), Err(Refused::Malformed));
    }
}
