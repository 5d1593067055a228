//! The host's loops: gather, decide, write.
