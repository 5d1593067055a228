//! The fast path.

mod packet;

mod respond;

mod batch;

mod socket;

mod worker;

pub use socket::BindError;

pub(crate) use batch::send_one;
#[cfg(any(test, fuzzing))]
pub(crate) use respond::{Response, names, respond};
pub(crate) use socket::{Sockets, bind, bind_tcp, remedy};
pub(crate) use worker::{Bailout, Worker, now};
