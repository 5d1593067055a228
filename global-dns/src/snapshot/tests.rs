//! Answers, asked for on the wire and read back by another implementation (hickory-proto), so that what we
//! write is also what others read.

pub(crate) mod support;

mod rfc1034;

mod negative;

mod wildcards;

mod zones;

mod redirects;

mod extras;

mod records;

mod remarks;

mod shares;

mod counted;

mod rules;

mod subnets;

mod oracle;

pub(crate) mod validator;

mod signed;

mod signed_at_random;

mod signed_in_time;

mod signed_transfers;
