//! The host as a process: killed, started where it cannot start, given what it must refuse.

mod bad_input;
mod demo;
mod dns_node;
mod encrypted;
mod endpoints;
mod external_dns;
mod floods;
mod guard;
mod kill_loop;
mod kubectl_tour;
mod members;
mod routing;
mod startup;
mod transfers;
mod updates;
mod zone_files;
mod zone_keys;
