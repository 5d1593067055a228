//! Domain names and record data, between the notation of master files and the bytes of DNS messages.
//!
//! The door reads them to refuse what cannot be served, with the field named; the server reads them to answer.
//! One grammar for both, so that what is let in is also served. Messages as a whole are the server's.

pub mod name;

pub mod rtype;

pub mod rdata;

pub mod dnskey;
