//! Extended DNS errors (RFC 8914): why an answer is what it is, for who speaks EDNS.
//!
//! Codes without text: they say it all, cost six bytes, and tell nobody more of the inside than `koinon resolve` tells those who may ask.

use crate::wire::option;

/// Bytes of the option in OPT.
pub(crate) const LENGTH: usize = 6;

/// Why an answer is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ede {
    /// Nothing behind the name is healthy, so it is what was healthy last.
    StaleAnswer,
    /// No table of names has arrived yet.
    NotReady,
    /// The client may not do that.
    Prohibited,
    /// The name lies in no zone of ours.
    NotAuthoritative,
}

impl Ede {
    /// The option as OPT carries it.
    pub(crate) fn option(self) -> [u8; LENGTH] {
        // Source: RFC 8914 §4.
        let code: u16 = match self {
            Self::StaleAnswer => 3,
            Self::NotReady => 14,
            Self::Prohibited => 18,
            Self::NotAuthoritative => 20,
        };
        let ([kind_high, kind_low], [high, low]) = (option::EDE.to_be_bytes(), code.to_be_bytes());
        [kind_high, kind_low, 0, 2, high, low]
    }
}
