//! One member's reconciler: makes the member hold what was ordered, and tells the host what it holds.
//!
//! ```text
//! DesiredSet ─► queue ─► execute ─► member's API        member's API ─► observed ─► drift? ─► queue
//!                           └──────────► feedback ◄─────────────────────────┘
//! ```
//!
//! A [`session`] is one task with its own queue, budget and back-off, so that one member's slowness takes nothing from another.
//! It decides nothing about content, deletes only by tombstone, and never touches what is not ours. Where it runs (beside the
//! host, or in the member) is the business of whoever starts it.

pub mod execute;
pub mod feedback;
pub mod inventory;
pub mod marks;
pub mod member;
pub mod metrics;
pub mod observed;
pub mod probe;
pub mod queue;
pub mod session;
