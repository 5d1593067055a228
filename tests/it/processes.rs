//! The host as a process: killed, started where it cannot start, given what it must refuse.

mod bad_input;
mod kill_loop;
mod kubectl_tour;
mod members;
mod startup;
