//! Scenarios, real-process and real-Kubernetes tests, and load generators.
