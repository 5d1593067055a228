//! Says what is wrong with an object: unknown fields, wrong types, bad metadata, and the rules of the kinds a host serves.

mod error;
pub mod format;

pub use error::{FieldError, FieldErrorKind};
