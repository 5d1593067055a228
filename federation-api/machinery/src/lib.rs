//! Kubernetes object machinery, pure: schemas, wire formats, patches, apply, selectors, tables.
