//! Simulated member clusters: a Kubernetes API with node, pod and service behaviour, and faults on command.
