//! The sockets of one listen address: one TCP listener, and as many UDP sockets as there are threads.
//!
//! The UDP sockets share their port by SO_REUSEPORT, so the kernel spreads clients over the threads. It would
//! also let a second server of the same user share it unnoticed; the TCP listener, bound first and alone, is
//! what makes a port in use an error.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How long a thread waits for a query before it looks whether to stop.
pub(super) const RECEIVE_TIMEOUT: Duration = Duration::from_millis(200);

/// Receive buffer asked of the kernel: some 10,000 queries, which is 20 ms of a flood that one core can answer.
/// The kernel grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Send buffer asked of the kernel for each connection, which grants twice as much: left to itself, it would hold some MiB
/// for each client that asks and does not read. A zone still goes out with a MiB a second over a tenth of a second.
const SEND_BUFFER: usize = 64 << 10;

/// Connections that wait to be accepted: more than arrive while the runtime is busy for a few milliseconds.
const BACKLOG: i32 = 1024;

/// How often an address with port 0 is tried again when the port that TCP was given is taken for UDP.
const PORT_TRIES: usize = 16;

/// The sockets of one address.
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) tcp: TcpListener,
    pub(crate) udp: Vec<UdpSocket>,
}

/// Why a listen address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for DNS on {address} over {transport}; {remedy}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// Which of the two sockets.
    pub transport: &'static str,
    /// What the operator can do about it.
    pub remedy: &'static str,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

/// Binds TCP and `n_udp` UDP sockets to one address; port 0 takes any port that is free for both.
pub(crate) fn bind(address: SocketAddr, n_udp: usize) -> Result<Sockets, BindError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let failed = |transport, source: io::Error| BindError {
            address,
            transport,
            remedy: remedy(source.kind()),
            source,
        };
        let tcp = bind_tcp(address).map_err(|error| failed("TCP", error))?;
        let bound = tcp.local_addr().map_err(|error| failed("TCP", error))?;
        match (0..n_udp).map(|_| bind_udp(bound)).collect::<io::Result<Vec<_>>>() {
            Ok(udp) => return Ok(Sockets { address: bound, tcp, udp }),
            Err(error) if tries == 0 || error.kind() != io::ErrorKind::AddrInUse => {
                return Err(failed("UDP", error));
            }
            Err(_) => {}
        }
    }
}

pub(crate) fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "another program uses that port: stop it, or choose another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it, or choose a higher port"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address",
        _ => "check the address",
    }
}

/// Binds a listener to one address.
pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run in TIME_WAIT must not keep a restart from listening.
    socket.set_reuse_address(true)?;
    // Connections inherit it. Where the kernel does not grant it, it grants less.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    // A smaller buffer than asked for is no reason not to serve.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.ip().is_unspecified() {
        super::batch::receive_own_address(socket.as_fd(), address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_gives_one_port_for_both_transports() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(sockets.address.port(), 0);
        assert_eq!(sockets.udp.len(), 3);
        for udp in &sockets.udp {
            assert_eq!(udp.local_addr().unwrap(), sockets.address);
        }
    }

    #[test]
    fn a_port_in_use_says_where_and_what_to_do() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let Err(error) = bind(first.address, 1) else { panic!("bound twice") };
        let text = error.to_string();
        assert!(text.contains(&first.address.to_string()) && text.contains("choose another port"), "{text}");
    }

    #[test]
    fn an_address_of_no_interface_is_named() {
        let Err(error) = bind("192.0.2.77:5353".parse().unwrap(), 1) else {
            panic!("bound to a foreign address")
        };
        assert!(error.to_string().contains("192.0.2.77:5353"), "{error}");
    }
}
