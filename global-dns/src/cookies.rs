//! DNS cookies (RFC 7873) as any node can make and check them (RFC 9018).
//!
//! A client that shows the cookie it was given for its address has received an answer of ours there: its address is its own.
//! Nodes remember nothing: a cookie is a keyed hash of the client's half, its address and the time. The key is derived anew
//! each day from a secret that all nodes share, so that one leaked key is worth a day.

use std::hash::Hasher as _;
use std::net::IpAddr;

use koinon_model::time::Timestamp;
use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher24;

/// The client's half of a cookie (RFC 7873 §4.1).
pub(crate) const CLIENT: usize = 8;

/// Our half (RFC 9018 §4).
pub(crate) const SERVER: usize = 16;

/// Both, as an answer has them.
pub(crate) const COOKIE: usize = CLIENT + SERVER;

/// How long a cookie is good, and how far ahead of us the clock of the node that made it may be (RFC 9018 §4.3).
const AGE_MAX_SECONDS: i32 = 60 * 60;
const AHEAD_MAX_SECONDS: i32 = 5 * 60;

/// A cookie that is older is good, and answered with a new one (RFC 9018 §4.3).
const RENEW_AFTER_SECONDS: i32 = 30 * 60;

/// How long a key is used.
const PERIOD_SECONDS: i64 = 24 * 60 * 60;

/// The version of our half (RFC 9018 §4.1).
const VERSION: u8 = 1;

/// What the nodes of one fleet share.
#[derive(Clone)]
pub struct CookieSecret([u8; 32]);

/// The keys of a day: its own, and that of the day before, whose last cookies are still good.
#[derive(Clone)]
pub(crate) struct Keys {
    day: i64,
    present: [u8; 16],
    past: [u8; 16],
}

/// A cookie as a client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub(crate) client: [u8; CLIENT],
    /// None when it was given none yet, or one that is not of our making.
    pub(crate) server: Option<[u8; SERVER]>,
}

// === impl CookieSecret ===

impl CookieSecret {
    /// A secret of 32 bytes that nobody else knows.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn key(&self, day: i64) -> [u8; 16] {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(b"DNS cookies of day");
        digest.update(day.to_be_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest.finalize()[..16]);
        key
    }
}

impl std::fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieSecret")
    }
}

// === impl Keys ===

impl Keys {
    /// The keys of a moment.
    pub(crate) fn of(secret: &CookieSecret, now: Timestamp) -> Self {
        let day = day(now);
        Self { day, present: secret.key(day), past: secret.key(day - 1) }
    }

    /// Replaces the keys when their day is over.
    pub(crate) fn keep_up(&mut self, secret: &CookieSecret, now: Timestamp) {
        if self.day != day(now) {
            *self = Self::of(secret, now);
        }
    }

    /// Whether the client has shown that its address is its own.
    pub(crate) fn knows(&self, cookie: &Cookie, client: IpAddr, now: Timestamp) -> bool {
        self.age(cookie, client, now).is_some()
    }

    /// The cookie that an answer brings: the client's own while it is young, a new one otherwise.
    pub(crate) fn answer(&self, cookie: &Cookie, client: IpAddr, now: Timestamp) -> [u8; COOKIE] {
        let server = match (cookie.server, self.age(cookie, client, now)) {
            (Some(server), Some(age)) if age <= RENEW_AFTER_SECONDS => server,
            _ => make(&self.present, &cookie.client, [VERSION, 0, 0, 0], seconds(now), client),
        };
        let mut both = [0; COOKIE];
        both[..CLIENT].copy_from_slice(&cookie.client);
        both[CLIENT..].copy_from_slice(&server);
        both
    }

    /// How old a good cookie is; none for any other. Units: seconds.
    fn age(&self, cookie: &Cookie, client: IpAddr, now: Timestamp) -> Option<i32> {
        let server = cookie.server?;
        let (head, _) = server.split_first_chunk::<4>()?;
        let made = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
        if head[0] != VERSION {
            return None;
        }
        // Serial number arithmetic (RFC 1982): good beyond 2106.
        let age = seconds(now).wrapping_sub(made).cast_signed();
        if !(-AHEAD_MAX_SECONDS..=AGE_MAX_SECONDS).contains(&age) {
            return None;
        }
        let is_ours = |key| make(key, &cookie.client, *head, made, client) == server;
        (is_ours(&self.present) || is_ours(&self.past)).then_some(age)
    }
}

/// Makes our half (RFC 9018 §4.4).
fn make(key: &[u8; 16], ours: &[u8; CLIENT], head: [u8; 4], made: u32, client: IpAddr) -> [u8; SERVER] {
    let mut hasher = SipHasher24::new_with_key(key);
    let mut server = [0; SERVER];
    server[..4].copy_from_slice(&head);
    server[4..8].copy_from_slice(&made.to_be_bytes());
    hasher.write(ours);
    hasher.write(&server[..8]);
    match client {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    server[8..].copy_from_slice(&hasher.finish().to_le_bytes());
    server
}

fn seconds(now: Timestamp) -> u32 {
    now.as_seconds() as u32
}

fn day(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(PERIOD_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    fn keys(present: &str, past: &str) -> Keys {
        Keys { day: 0, present: bytes(present), past: bytes(past) }
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    /// The examples of RFC 9018, appendix A: secret, client's half, address, time, our half as sent, our half in the answer.
    #[test]
    fn the_examples_of_the_standard() {
        let rows = [
            ("2464c4abcf10c957", "198.51.100.100", 1_559_731_985, None, "010000005cf79f111f8130c3eee29480"),
            (
                "2464c4abcf10c957",
                "198.51.100.100",
                1_559_734_385,
                Some("010000005cf79f111f8130c3eee29480"),
                "010000005cf7a871d4a564a1442aca77",
            ),
            (
                "fc93fc62807ddb86",
                "203.0.113.203",
                1_559_734_700,
                Some("01abcdef5cf78f71a314227b6679ebf5"),
                "010000005cf7a9acf73a7810aca2381e",
            ),
        ];
        for (ours, client, now, sent, wanted) in rows {
            let cookie = Cookie { client: bytes(ours), server: sent.map(bytes) };
            let (client, now) = (client.parse().unwrap(), Timestamp::from_seconds(now));
            let told = keys(SECRET, SECRET).answer(&cookie, client, now);
            assert_eq!(told[CLIENT..], bytes::<SERVER>(wanted), "{ours} from {client}");
        }
    }

    #[test]
    fn the_key_of_the_day_before_is_good_and_no_other() {
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let now = Timestamp::from_seconds(1_559_741_961);
        let cookie = Cookie {
            client: bytes("22681ab97d52c298"),
            server: Some(bytes("010000005cf7c57926556bd0934c72f8")),
        };
        let (old, new) = ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962");
        assert!(keys(new, old).age(&cookie, client, now).is_some());
        assert!(keys(new, new).age(&cookie, client, now).is_none());
        assert_eq!(
            keys(new, new).answer(&cookie, client, now)[CLIENT..],
            bytes::<SERVER>("010000005cf7c609a6bb79d16625507a")
        );
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_its_time() {
        let secret = CookieSecret::new([7; 32]);
        let (client, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let made = Timestamp::from_seconds(86_400 * 3 - 10);
        let first = Cookie { client: [1; CLIENT], server: None };
        let told = Keys::of(&secret, made).answer(&first, client, made);
        let cookie = Cookie { server: told.last_chunk().copied(), ..first };
        for (after, is_good) in [(-301, false), (-300, true), (0, true), (3600, true), (3601, false)] {
            let now = Timestamp::from_seconds(made.as_seconds() + after);
            assert_eq!(
                Keys::of(&secret, now).age(&cookie, client, now).is_some(),
                is_good,
                "after {after} s"
            );
            assert!(Keys::of(&secret, now).age(&cookie, other, now).is_none());
        }
        let soon = Timestamp::from_seconds(made.as_seconds() + 60);
        assert_eq!(Keys::of(&secret, soon).answer(&cookie, client, soon), told, "a young one stays");
    }
}
