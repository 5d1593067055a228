//! The road of a workload through the host's own loops: a real server over a memory store, the real controllers, and members
//! that are played by the test. Quick enough for every change; the real members are in `kubernetes`.

mod death;
mod members;
mod road;
mod world;
