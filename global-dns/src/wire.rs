//! DNS on the wire: names, record data, and the numbers of the protocol.
//!
//! Everything here is pure and knows no zone. Reading a whole query lives with its two readers, the fast path
//! and the edge; they are written apart on purpose, so that a test can hold one against the other.

pub use koinon_types::dns::{name, rdata, rtype};

/// Length of the message header (RFC 1035 §4.1.1).
pub const HEADER: usize = 12;

/// Most that we send in one UDP datagram, whatever the client offers: it fits an IPv6 path of 1280 bytes, so it
/// is never fragmented. Source: RFC 9715 §3.
pub const UDP_PAYLOAD_MAX: u16 = 1232;

/// What a client without EDNS can take over UDP (RFC 1035 §2.3.4).
pub const UDP_PAYLOAD_PLAIN: u16 = 512;

/// The class we serve.
pub const CLASS_IN: u16 = 1;

/// Any class: in an update, what is removed as a whole (RFC 2136 §2.5).
pub const CLASS_ANY: u16 = 255;

/// EDNS options that the server itself needs to know.
pub mod option {
    /// Which node answers (RFC 5001).
    pub const NSID: u16 = 3;
    /// The client's network (RFC 7871).
    pub const CLIENT_SUBNET: u16 = 8;
    /// Cookies (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// How long a connection may be idle (RFC 7828).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Bytes that only hide the length of a message (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Why an answer is what it is (RFC 8914).
    pub const EDE: u16 = 15;
}

/// Header bits, as the third and fourth byte of a message carry them.
pub mod flag {
    /// Third byte: this is a response.
    pub const QR: u8 = 0x80;
    /// Third byte: the opcode's place.
    pub const OPCODE_MASK: u8 = 0x78;
    /// Third byte: authoritative answer.
    pub const AA: u8 = 0x04;
    /// Third byte: truncated.
    pub const TC: u8 = 0x02;
    /// Third byte: recursion desired.
    pub const RD: u8 = 0x01;
    /// Fourth byte: checking disabled.
    pub const CD: u8 = 0x10;
}

/// Response codes; those above 15 need EDNS for their upper bits (RFC 6891 §6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Rcode {
    /// The question is answered, if only by NODATA.
    NoError = 0,
    /// The query cannot be read.
    FormErr = 1,
    /// The server failed.
    ServFail = 2,
    /// The name does not exist.
    NxDomain = 3,
    /// The kind of query is not supported.
    NotImp = 4,
    /// Not ours, or not for you.
    Refused = 5,
    /// A redirected name would be too long (RFC 6672 §2.2), or an update's name is in use (RFC 2136 §2.2).
    YxDomain = 6,
    /// A set that should not be there is (RFC 2136 §2.2).
    YxRrset = 7,
    /// A set that should be there is not (RFC 2136 §2.2).
    NxRrset = 8,
    /// The signature's key is unknown (RFC 8945 §5.2.1), or the zone is not ours (RFC 2136 §2.2).
    NotAuth = 9,
    /// A name lies outside of the zone to be updated (RFC 2136 §2.2).
    NotZone = 10,
    /// The EDNS version is unknown.
    BadVers = 16,
}

impl Rcode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::YxDomain,
        Self::YxRrset,
        Self::NxRrset,
        Self::NotAuth,
        Self::NotZone,
        Self::BadVers,
    ];

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The name people know it by.
    pub fn mnemonic(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::YxDomain => "YXDOMAIN",
            Self::YxRrset => "YXRRSET",
            Self::NxRrset => "NXRRSET",
            Self::NotAuth => "NOTAUTH",
            Self::NotZone => "NOTZONE",
            Self::BadVers => "BADVERS",
        }
    }
}
