//! The koinon.io/v1alpha1 kinds as users write them, and the door to the model.
