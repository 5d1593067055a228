//! The verbs: what a permitted request does to the stored objects, and how it is answered.
//!
//! ```text
//! get, list ─► read      watch ─► watch      create, update, patch, delete ─► write ─► respond
//! /scale ─► scale        serviceaccounts/token ─► token_request      reviews ─► review
//! ```

pub(crate) mod decode;
mod delete;
mod dispatch;
pub(crate) mod door;
mod edit;
mod fields;
mod judge;
mod managed;
pub(crate) mod metadata;
pub(crate) mod options;
pub(crate) mod page;
mod read;
mod render;
mod respond;
mod review;
mod scale;
mod selection;
mod token_request;
pub(crate) mod watch;
pub(crate) mod write;

pub(crate) use dispatch::answer;
