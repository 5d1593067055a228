//! Defaults of real-life objects.
