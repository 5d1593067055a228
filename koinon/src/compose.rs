//! The composition root: the only place that names concrete parts and starts what lives long.

pub(crate) mod dns;
pub(crate) mod dns_node;
mod fleet;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod host;
mod keys;
mod kinds;
mod names;
pub(crate) mod observe;
mod pages;
mod private;
mod resolve;
mod table_page;
mod updates;
