//! The host's loops: gather, decide, write.
//!
//! Each folder is one controller: it gathers what a decision needs, asks `koinon-policies`, and writes the answer. They share
//! the loop of [`engine`] and speak to the host through its in-process client. Nothing here decides, and nothing is kept that
//! cannot be gathered again.
//!
//! ```text
//! templates, policies, clusters ─► placement ─► ResourceBinding ─► desired ─► DesiredSet of each member (fleet)
//!                                                    ▲                             │ syncer
//!                                      status ───────┴────────────── Feedback ◄────┘
//! ```

pub mod fleet;
pub mod observations;
