//! The patches that change a part of an object: JSON patch, JSON merge patch and strategic merge patch.
//!
//! Each takes the tree and the patch and nothing else; what the result must look like is judged afterwards by
//! `validate`, and who owns the changed fields by `apply`. Apply patches (server-side apply) are not here: they merge
//! with ownership and live in `apply`.

pub mod json;
pub mod merge;
pub mod strategic;
