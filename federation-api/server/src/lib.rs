//! A Kubernetes API server as a library.
//!
//! It serves whatever kinds it is given, the way Kubernetes clients expect, and knows nothing of federation.

pub mod identity;
pub mod negotiate;
pub mod request;
