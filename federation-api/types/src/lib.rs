//! What crosses a wire or a crate border: the koinon.io/v1alpha1 kinds as users write them, the one door
//! from those shapes to the model, and the plain messages that the parts of the host exchange.
//!
//! Nothing here decides. Wire shapes are permissive, messages are plain structs, and whatever reaches
//! `koinon-policies` has passed [`convert`] first.

pub mod v1alpha1;

pub mod api;
pub mod conditions;
pub mod convert;

pub mod sync;

pub mod names;

pub mod dns;
