//! The nouns of a fleet: valid by construction, without I/O, clock or serialization.
