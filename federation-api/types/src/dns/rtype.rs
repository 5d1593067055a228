//! Type numbers that the server and the checks at the door need to know.

/// IPv4 address.
pub const A: u16 = 1;
/// Name server.
pub const NS: u16 = 2;
/// Alias.
pub const CNAME: u16 = 5;
/// Start of authority.
pub const SOA: u16 = 6;
/// Pointer.
pub const PTR: u16 = 12;
/// Host information; what ANY is answered with.
pub const HINFO: u16 = 13;
/// Mail exchange.
pub const MX: u16 = 15;
/// Text.
pub const TXT: u16 = 16;
/// IPv6 address.
pub const AAAA: u16 = 28;
/// Service.
pub const SRV: u16 = 33;
/// Alias of a subtree.
pub const DNAME: u16 = 39;
/// The EDNS pseudo record.
pub const OPT: u16 = 41;
/// Delegation signer; authoritative on the parent's side of a cut.
pub const DS: u16 = 43;
/// Signature over a set.
pub const RRSIG: u16 = 46;
/// What exists next to a name.
pub const NSEC: u16 = 47;
/// Key of a signed zone.
pub const DNSKEY: u16 = 48;
/// What exists next to a name, hashed.
pub const NSEC3: u16 = 50;
/// How names are hashed for it.
pub const NSEC3PARAM: u16 = 51;
/// What the parent's DS records are to become (RFC 7344).
pub const CDS: u16 = 59;
/// The keys for which the parent is to have DS records (RFC 7344).
pub const CDNSKEY: u16 = 60;
/// Service binding.
pub const SVCB: u16 = 64;
/// Service binding for HTTPS.
pub const HTTPS: u16 = 65;
/// First of the Q and meta types (RFC 6895 §3.1), which no zone may hold.
pub const META_FIRST: u16 = 128;
/// Says in a proof that a name does not exist; never a question (RFC 9824 §3.5).
pub const NXNAME: u16 = 128;
/// Key exchange for TSIG.
pub const TKEY: u16 = 249;
/// Transaction signature.
pub const TSIG: u16 = 250;
/// Incremental transfer.
pub const IXFR: u16 = 251;
/// Full transfer.
pub const AXFR: u16 = 252;
/// Mailbox records, obsolete.
pub const MAILB: u16 = 253;
/// Mail agents, obsolete.
pub const MAILA: u16 = 254;
/// Every type at a name.
pub const ANY: u16 = 255;
/// Last of the Q and meta types.
pub const META_LAST: u16 = 255;
/// Certification authority authorization.
pub const CAA: u16 = 257;
