//! A Kubernetes API server as a library.
//!
//! It serves whatever kinds it is given, the way Kubernetes clients expect, and knows nothing of federation.

pub mod admission;
pub mod authenticate;
pub mod authorize;
mod body;
mod built_in;
pub mod identity;
mod listen;
pub mod negotiate;
pub mod object;
pub mod registry;
pub mod request;
mod rest;
