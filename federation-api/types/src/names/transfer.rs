//! Who may copy a zone as a whole, who is told when it changes, and the keys that both are known by.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The transfers of one zone. Nobody that is not named here may copy it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who may copy it.
    pub allow: Vec<Grant>,
    /// Who is told when it changes.
    pub notify: Vec<Notified>,
}

/// Lets somebody copy a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// Whoever asks from there.
    From(Network),
    /// Whoever signs with this key.
    With(TsigKey),
    /// Whoever does both.
    Both(Network, TsigKey),
    /// Whom this lets, over an encrypted connection only (RFC 9103).
    Encrypted(Box<Grant>),
}

/// Who asks for a zone.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// From where.
    pub client: IpAddr,
    /// The key that the request is signed with, if with any.
    pub signed_with: Option<&'a TsigKey>,
    /// Whether nobody between can read the answer.
    pub is_encrypted: bool,
}

/// A secondary that is told when a zone changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the notice is signed with, if it is.
    pub key: Option<TsigKey>,
}

/// A key that a message can be signed with.
///
/// Source: RFC 8945.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TsigKey {
    /// Its name, which both sides know it by: lower case, without the final dot.
    pub name: String,
    /// What is done with it.
    pub algorithm: TsigAlgorithm,
    /// What only both sides know.
    pub secret: Secret,
}

/// What a key signs with. SHA-1 and MD5 are left out: RFC 8945 §6 keeps them for old peers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    #[default]
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
}

/// The bytes of a key. They are never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Vec<u8>);

/// A range of addresses: those that share its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    /// The lowest address.
    first: IpAddr,
    /// How many bits are shared; at most as many as an address has.
    n_bits: u8,
}

/// Says that a text is not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a range of addresses such as 192.0.2.0/24 or 2001:db8::/32, written with its first address"
)]
pub struct InvalidNetwork(pub String);

impl Transfer {
    /// Every key it names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &TsigKey> {
        let granted = self.allow.iter().filter_map(Grant::key);
        granted.chain(self.notify.iter().filter_map(|notified| notified.key.as_ref()))
    }

    /// Whether whoever asks may copy the zone.
    pub fn admits(&self, asker: Asker<'_>) -> bool {
        self.allow.iter().any(|grant| grant.admits(asker))
    }
}

impl Grant {
    fn key(&self) -> Option<&TsigKey> {
        match self {
            Self::From(_) => None,
            Self::With(key) | Self::Both(_, key) => Some(key),
            Self::Encrypted(grant) => grant.key(),
        }
    }

    fn admits(&self, asker: Asker<'_>) -> bool {
        match self {
            Self::From(network) => network.contains(asker.client),
            Self::With(key) => asker.signed_with == Some(key),
            Self::Both(network, key) => network.contains(asker.client) && asker.signed_with == Some(key),
            Self::Encrypted(grant) => asker.is_encrypted && grant.admits(asker),
        }
    }
}

impl TsigAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Its name on the wire and in configuration (RFC 8945 §6), without the final dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// The algorithm of this name, in any case and with or without the final dot.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

impl Secret {
    /// Takes the bytes as they are.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for whoever signs.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Network {
    /// Whether an address lies in it. An IPv4 address inside IPv6 is first to be made plain by the caller.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                bits(address) & self.mask() == bits(self.first)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The lowest address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// How many bits its addresses share.
    pub fn n_bits(self) -> u8 {
        self.n_bits
    }

    /// Ones where addresses have to agree, counted from the first of 128 bits.
    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.n_bits)).unwrap_or(0)
    }
}

/// The bits of an address from the left, filled up with zeros.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let read = || {
            let (first, n_bits) = text.split_once('/')?;
            let first: IpAddr = first.parse().ok()?;
            let n_bits: u8 = n_bits.parse().ok()?;
            let n_bits_max = if first.is_ipv4() { 32 } else { 128 };
            let network = Self { first, n_bits };
            // An address inside of the range is more often a slip than meant.
            (n_bits <= n_bits_max && network.contains(first)).then_some(network)
        };
        read().ok_or_else(|| InvalidNetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.n_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        for (network, address, wanted) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.53/32", "192.0.2.53", true),
            ("192.0.2.53/32", "192.0.2.54", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip(address)), wanted, "{network} {address}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn refuses_what_is_not_a_network() {
        for text in ["192.0.2.1", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::/129", "a/8", "192.0.2.0/", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn admits_only_whom_a_grant_names() {
        let key = |secret: &[u8]| TsigKey {
            name: "secondary".into(),
            algorithm: TsigAlgorithm::HmacSha256,
            secret: Secret::new(secret.into()),
        };
        let (ours, theirs) = (key(b"one"), key(b"other"));
        let network: Network = "192.0.2.0/24".parse().unwrap();
        let (inside, outside) = (ip("192.0.2.1"), ip("198.51.100.1"));
        let admits = |grant: Option<Grant>, client, key| {
            let asker = Asker { client, signed_with: key, is_encrypted: false };
            Transfer { allow: grant.into_iter().collect(), notify: Vec::new() }.admits(asker)
        };
        assert!(!admits(None, inside, Some(&ours)));
        let from = Some(Grant::From(network));
        assert!(admits(from.clone(), inside, None) && !admits(from, outside, Some(&ours)));
        let with = Some(Grant::With(ours.clone()));
        assert!(admits(with.clone(), outside, Some(&ours)));
        assert!(!admits(with.clone(), outside, Some(&theirs)) && !admits(with, inside, None));
        let both = Some(Grant::Both(network, ours.clone()));
        assert!(admits(both.clone(), inside, Some(&ours)));
        assert!(!admits(both.clone(), outside, Some(&ours)) && !admits(both, inside, None));
        let encrypted = Grant::Encrypted(Box::new(Grant::With(ours.clone())));
        assert!(!admits(Some(encrypted.clone()), inside, Some(&ours)));
        let transfer = Transfer { allow: vec![encrypted], notify: Vec::new() };
        let asker = Asker { client: inside, signed_with: Some(&ours), is_encrypted: true };
        assert!(transfer.admits(asker) && !transfer.admits(Asker { signed_with: None, ..asker }));
        assert_eq!(transfer.keys().collect::<Vec<_>>(), [&ours]);
    }

    #[test]
    fn a_secret_is_kept_and_not_printed() {
        let secret = Secret::new(b"hush".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let kept = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&kept).unwrap(), secret);
    }
}
