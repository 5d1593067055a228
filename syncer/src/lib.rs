//! One member's reconciler: desired and observed state to actions and feedback.
