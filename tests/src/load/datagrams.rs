//! Many datagrams per system call, for load generators and for the echo that they are compared with.
//!
//! Every pointer given to the kernel is taken from a live, exclusively borrowed buffer immediately before the call and is
//! dead after it.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Datagrams per system call, as many as the server takes.
pub const WIDTH: usize = 32;

/// Room for one datagram: more than any DNS answer over UDP.
const LENGTH_MAX: usize = 1500;

/// Buffers for up to [`WIDTH`] datagrams and their peers.
pub struct Datagrams {
    buffers: Box<[[u8; LENGTH_MAX]]>,
    lengths: [usize; WIDTH],
    peers: Box<[libc::sockaddr_storage]>,
    peer_lengths: [libc::socklen_t; WIDTH],
}

impl Default for Datagrams {
    fn default() -> Self {
        // SAFETY: `sockaddr_storage` is plain data for which all zeroes is a valid value.
        let nobody: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Self {
            buffers: vec![[0; LENGTH_MAX]; WIDTH].into(),
            lengths: [0; WIDTH],
            peers: vec![nobody; WIDTH].into(),
            peer_lengths: [0; WIDTH],
        }
    }
}

impl Datagrams {
    /// Puts a datagram for the peer that the socket is connected to into a place.
    pub fn put(&mut self, at: usize, datagram: &[u8]) {
        self.buffers[at][..datagram.len()].copy_from_slice(datagram);
        self.lengths[at] = datagram.len();
        self.peer_lengths[at] = 0;
    }

    /// The datagram in a place.
    pub fn at(&self, at: usize) -> &[u8] {
        &self.buffers[at][..self.lengths[at]]
    }

    /// Waits for at least one datagram and takes all that are there.
    ///
    /// # Errors
    /// As `recvmmsg(2)`; `WouldBlock` after the socket's timeout.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.lengths = [LENGTH_MAX; WIDTH];
        self.peer_lengths = [mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t; WIDTH];
        let (fd, flags) = (socket.as_raw_fd(), libc::MSG_WAITFORONE);
        self.with_headers(WIDTH, |headers| {
            // SAFETY: the headers' pointers are to buffers that stay borrowed until after the call.
            unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), WIDTH as _, flags as _, std::ptr::null_mut()) }
        })
    }

    /// Sends the first `n_datagrams` places, each to its peer.
    ///
    /// # Errors
    /// As `sendmmsg(2)`.
    pub fn send(&mut self, socket: &UdpSocket, n_datagrams: usize) -> io::Result<usize> {
        let fd = socket.as_raw_fd();
        self.with_headers(n_datagrams, |headers| {
            // SAFETY: the headers' pointers are to buffers that stay borrowed until after the call.
            unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as _, 0) }
        })
    }

    /// Describes the first places to the kernel for one call, and takes over what it says of those it dealt with.
    fn with_headers(
        &mut self,
        n_datagrams: usize,
        call: impl FnOnce(&mut [libc::mmsghdr]) -> libc::c_int,
    ) -> io::Result<usize> {
        // SAFETY: both are plain data for which all zeroes is a valid value.
        let (mut headers, mut vectors): ([libc::mmsghdr; WIDTH], [libc::iovec; WIDTH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        for at in 0..n_datagrams {
            vectors[at] =
                libc::iovec { iov_base: self.buffers[at].as_mut_ptr().cast(), iov_len: self.lengths[at] };
            let header = &mut headers[at].msg_hdr;
            header.msg_iov = &raw mut vectors[at];
            header.msg_iovlen = 1;
            if self.peer_lengths[at] > 0 {
                header.msg_name = (&raw mut self.peers[at]).cast();
                header.msg_namelen = self.peer_lengths[at];
            }
        }
        let n_done =
            usize::try_from(call(&mut headers[..n_datagrams])).map_err(|_| io::Error::last_os_error())?;
        for (at, header) in headers[..n_done].iter().enumerate() {
            self.lengths[at] = header.msg_len as usize;
            self.peer_lengths[at] = header.msg_hdr.msg_namelen;
        }
        Ok(n_done)
    }
}

/// Sends every datagram back to where it came from: what a server of datagrams costs that does nothing with them.
///
/// # Errors
/// When the socket fails.
pub fn echo(socket: &UdpSocket, stop: &AtomicBool) -> io::Result<()> {
    let mut datagrams = Datagrams::default();
    while !stop.load(Ordering::Relaxed) {
        match datagrams.receive(socket) {
            Ok(n_datagrams) => datagrams.send(socket, n_datagrams).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_echo_returns_what_it_was_sent() {
        let stop = AtomicBool::new(false);
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            socket
        };
        let (server, client) = (socket(), socket());
        client.connect(server.local_addr().unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| echo(&server, &stop).unwrap());
            let mut sent = Datagrams::default();
            let words = [&b"one"[..], b"two", b"three"];
            for (at, word) in words.into_iter().enumerate() {
                sent.put(at, word);
            }
            assert_eq!(sent.send(&client, 3).unwrap(), 3);
            let mut returned = Vec::new();
            while returned.len() < 3 {
                let Ok(n_datagrams) = sent.receive(&client) else { continue };
                returned.extend((0..n_datagrams).map(|at| sent.at(at).to_vec()));
            }
            assert_eq!(returned, words);
            stop.store(true, Ordering::Relaxed);
        });
    }
}
