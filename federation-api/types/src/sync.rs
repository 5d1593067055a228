//! The stream between the host and one member's syncer: orders down, feedback and reports up.
//!
//! The host publishes, per object, the *latest* order only. A slow member therefore costs memory for what it
//! should run and nothing for how often that changed. An object that is missing here is not an order:
//! only [`Order::Remove`] deletes. Rendering, applying and judging live elsewhere; these are plain messages
//! that a later transport can carry as they are.
//!
//! ```text
//! controllers/desired ── publish(Order) ─► DesiredSet ── changed(), get() ─► syncer
//! controllers/status  ◄──────── Feedback ────────────────────────────────── syncer
//! controllers/health  ◄──────── MemberReport ────────────────────────────── syncer
//! ```

mod desired_set;
mod message;

pub use desired_set::{CHANGED_BATCH_MAX, DesiredSet, OBJECTS_MAX, Publication};
pub use message::{
    ApiEnablement, ApiOutcome, ApiProbe, Backlog, Capacity, Desired, Feedback, MemberReport, ObjectRef,
    Observed, OnConflict, Order, Outcome, digest,
};
