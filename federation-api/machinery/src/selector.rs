//! Selectors: which objects a list, a watch or a policy is about.
//!
//! Label selectors come as text (`app in (a, b), !canary`) or as a `metav1.LabelSelector` object; field selectors as
//! text (`metadata.name=x,status.phase!=Running`). All are conjunctions. Whether a field may be selected at all depends
//! on the kind and is decided by whoever serves it.

mod fields;
mod labels;
mod parse;

pub use fields::{FieldOperator, FieldRequirement, FieldSelector};
pub use labels::{LabelSelector, Operator, Requirement};

/// Why a text or an object is no selector; the text is the one clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text does not follow the grammar.
    #[error("{0}")]
    Grammar(String),
    /// A key, a value or an operator is not allowed.
    #[error("{0}")]
    Requirement(String),
}

#[cfg(test)]
mod tests;
