//! The fast path.

mod packet;

mod respond;

mod batch;

mod socket;

mod worker;
