//! Many datagrams per system call: `recvmmsg` and `sendmmsg` over buffers that are made once.
//!
//! This is the only unsafe code of the crate. rustix has no `recvmmsg`, and nix hands every message of a
//! `sendmmsg` the same control data, while an answer must leave from the address its own query came to; so the
//! two calls are made through libc. Every pointer given to the kernel is taken from a live, exclusively borrowed
//! buffer immediately before the call and is dead after it.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::snapshot::TOGETHER_MAX;

/// Datagrams per system call. Measured on loopback, 8 costs 3 % more per answer than 32, and 64 gains nothing.
pub(super) const WIDTH: usize = TOGETHER_MAX;

/// Longest query taken whole. Ordinary ones have some 60 bytes; a longer one arrives cut and is called malformed.
pub(super) const QUERY_MAX: usize = 1500;

/// Room for one response: what we send at most over UDP, and a question of any length with TC and OPT.
pub(super) const RESPONSE_MAX: usize = crate::wire::UDP_PAYLOAD_MAX as usize;

/// Datagrams and who sent each.
pub(super) type Queries<'a> = [(&'a [u8], IpAddr); WIDTH];

/// Room for one PKTINFO control message of either family, aligned as the kernel wants it.
type Control = [u64; 6];

/// Who sent a datagram, and to which of our addresses when the socket listens on all of them.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    address: libc::sockaddr_storage,
    address_length: libc::socklen_t,
    control: Control,
    control_length: usize,
}

/// Buffers for one thread.
pub(super) struct Batch {
    queries: Box<[[u8; QUERY_MAX]]>,
    responses: Box<[[u8; RESPONSE_MAX]]>,
    peers: Box<[Peer]>,
    /// Length of each query received.
    query_lengths: [usize; WIDTH],
    /// Responses to send: which peer, and how long. Shape: the first `n_responses` are in use.
    outgoing: [(usize, usize); WIDTH],
    n_responses: usize,
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
}

// SAFETY: the raw pointers inside `headers` and `vectors` are only followed by the kernel during a call that
// rewrites them first; between calls they are dead values.
unsafe impl Send for Batch {}

impl Peer {
    const NOBODY: Self = Self {
        // SAFETY: `sockaddr_storage` is plain data for which all zeroes is a valid value.
        address: unsafe { mem::zeroed() },
        address_length: 0,
        control: [0; 6],
        control_length: 0,
    };

    /// The client's address.
    pub(crate) fn ip(&self) -> IpAddr {
        let address = &raw const self.address;
        match libc::c_int::from(self.address.ss_family) {
            // SAFETY: `sockaddr_storage` is larger than and aligned for every address type, and the kernel
            // wrote the one that its family names.
            libc::AF_INET => {
                let v4 = unsafe { &*address.cast::<libc::sockaddr_in>() };
                IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)))
            }
            // SAFETY: as above.
            libc::AF_INET6 => {
                let v6 = unsafe { &*address.cast::<libc::sockaddr_in6>() };
                IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr))
            }
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Frees the answer from the interface its query came by, so that routing decides; the address stays. A
    /// link-local peer keeps it, being nowhere else.
    fn free_interface(&mut self) {
        if self.control_length < mem::size_of::<libc::cmsghdr>() {
            return;
        }
        let is_link_local = matches!(self.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local());
        let header = self.control.as_mut_ptr().cast::<libc::cmsghdr>();
        // SAFETY: the kernel wrote a whole control message of `control_length` bytes into the aligned buffer,
        // and the data of each kind is checked to lie inside it before it is written.
        unsafe {
            let data = libc::CMSG_DATA(header);
            let room = self.control_length.saturating_sub(libc::CMSG_LEN(0) as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if room >= mem::size_of::<libc::in_pktinfo>() => {
                    (*data.cast::<libc::in_pktinfo>()).ipi_ifindex = 0;
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                    if room >= mem::size_of::<libc::in6_pktinfo>() && !is_link_local =>
                {
                    (*data.cast::<libc::in6_pktinfo>()).ipi6_ifindex = 0;
                }
                _ => {}
            }
        }
    }

    /// Describes one message to or from this peer to the kernel. The result holds pointers into `self` and
    /// `vector`, and must not outlive the borrows it was made from.
    fn header(&mut self, vector: *mut libc::iovec) -> libc::msghdr {
        // SAFETY: `msghdr` is plain data for which all zeroes is a valid value; its fields differ in type and
        // padding between C libraries, so it is not written out.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = (&raw mut self.address).cast();
        header.msg_namelen = self.address_length;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        if self.control_length > 0 {
            header.msg_control = self.control.as_mut_ptr().cast();
            header.msg_controllen = self.control_length as _;
        }
        header
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: both are plain data for which all zeroes is a valid value.
        let (header, vector): (libc::mmsghdr, libc::iovec) = unsafe { (mem::zeroed(), mem::zeroed()) };
        Self {
            queries: vec![[0; QUERY_MAX]; WIDTH].into(),
            responses: vec![[0; RESPONSE_MAX]; WIDTH].into(),
            peers: vec![Peer::NOBODY; WIDTH].into(),
            query_lengths: [0; WIDTH],
            outgoing: [(0, 0); WIDTH],
            n_responses: 0,
            headers: vec![header; WIDTH].into(),
            vectors: vec![vector; WIDTH].into(),
        }
    }

    /// Waits for at least one datagram, or for the socket's receive timeout, and takes all that are there.
    ///
    /// # Errors
    /// As `recvmmsg(2)`; `WouldBlock` after the timeout.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.n_responses = 0;
        for (at, peer) in self.peers.iter_mut().enumerate() {
            peer.address_length = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            peer.control_length = mem::size_of::<Control>();
            self.vectors[at] =
                libc::iovec { iov_base: self.queries[at].as_mut_ptr().cast(), iov_len: QUERY_MAX };
            self.headers[at] = libc::mmsghdr { msg_hdr: peer.header(&raw mut self.vectors[at]), msg_len: 0 };
        }
        // SAFETY: `headers` holds WIDTH messages whose pointers were taken just above from buffers that live
        // and stay borrowed until after the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                WIDTH as libc::c_uint,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        let n_received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for at in 0..n_received {
            let header = &self.headers[at];
            self.query_lengths[at] = (header.msg_len as usize).min(QUERY_MAX);
            self.peers[at].address_length = header.msg_hdr.msg_namelen;
            self.peers[at].control_length = header.msg_hdr.msg_controllen as _;
            self.peers[at].free_interface();
        }
        Ok(n_received)
    }

    /// The first received datagrams with their senders, and room for the response to each.
    ///
    /// Shape: places of no datagram are empty; the rooms are in the order of the datagrams.
    pub(super) fn exchange(&mut self, n_received: usize) -> (Queries<'_>, &mut [[u8; RESPONSE_MAX]]) {
        let mut queries = [(&[][..], IpAddr::V4(Ipv4Addr::UNSPECIFIED)); WIDTH];
        for (at, place) in queries[..n_received].iter_mut().enumerate() {
            *place = (&self.queries[at][..self.query_lengths[at]], self.peers[at].ip());
        }
        (queries, &mut self.responses)
    }

    /// One received datagram and its sender.
    pub(super) fn query(&self, at: usize) -> (&[u8], &Peer) {
        (&self.queries[at][..self.query_lengths[at]], &self.peers[at])
    }

    /// Marks the response written for datagram `at` to be sent.
    pub(super) fn answer(&mut self, at: usize, length: usize) {
        self.outgoing[self.n_responses] = (at, length.min(RESPONSE_MAX));
        self.n_responses += 1;
    }

    /// Sends all responses marked since the last receive. Shape: how many the kernel did not take; a response
    /// that cannot be sent is like one lost on the way, and its client asks again.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        let n_responses = mem::take(&mut self.n_responses);
        for (slot, &(at, length)) in self.outgoing[..n_responses].iter().enumerate() {
            self.vectors[slot] =
                libc::iovec { iov_base: self.responses[at].as_mut_ptr().cast(), iov_len: length };
            let header = self.peers[at].header(&raw mut self.vectors[slot]);
            self.headers[slot] = libc::mmsghdr { msg_hdr: header, msg_len: 0 };
        }
        let (mut done, mut n_failed) = (0, 0);
        while done < n_responses {
            let rest = &mut self.headers[done..n_responses];
            // SAFETY: `rest` holds messages whose pointers were taken just above from buffers that live and stay
            // borrowed until after the call.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0)
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => done += sent,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                // The first of the rest cannot be sent (no route, a firewall): step over it.
                _ => {
                    done += 1;
                    n_failed += 1;
                }
            }
        }
        n_failed
    }
}

/// Asks the kernel to tell the address each query came to, so that its answer leaves from there: a machine has
/// several, and a client ignores an answer from one it did not ask.
///
/// # Errors
/// As `setsockopt(2)`.
pub(super) fn receive_own_address(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    let (level, option) = if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is a local of the length given, which the kernel only reads.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends one response without waiting.
///
/// # Errors
/// As `sendmsg(2)`.
pub(crate) fn send_one(socket: BorrowedFd<'_>, peer: &Peer, response: &[u8]) -> io::Result<()> {
    let mut peer = *peer;
    let mut vector = libc::iovec { iov_base: response.as_ptr().cast_mut().cast(), iov_len: response.len() };
    let header = peer.header(&raw mut vector);
    // SAFETY: the header's pointers are to locals and to `response`, which outlive the call; the kernel only
    // reads what a message to send points at.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
