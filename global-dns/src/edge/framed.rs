//! A conversation in messages with their length before them: over TCP (RFC 7766) and over TLS (RFC 7858, RFC 9103).
//!
//! ```text
//! bytes ─► input ─► whole messages ─► answer ─┬─► out ─► bytes
//!                                             └─► a zone or an update, worked on beside ─► out
//! ```
//! Queries are answered as they come. A zone is sent among other answers, which do not wait for it (RFC 7766 §6.2.1.1). Who
//! does not take answers is not read from any further, so a connection holds one message being read, and answers up to
//! [`OUT_MAX`] and one more.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::desk::{Caller, Desk, Said, Work};
use super::handler::Transport;
use super::room::{Doing, Place};
use crate::metrics::End;

/// Bytes of the length before a message (RFC 1035 §4.2.2).
pub(crate) const PREFIX: usize = 2;

/// With so many bytes to be taken by the client, nothing more is answered: some hundred usual answers in flight.
const OUT_MAX: usize = 16 * 1024;

/// What a client has to take within the time that it may stall, or all that there is.
const PROGRESS: usize = 16 * 1024;

/// Room that is made for reading: a dozen usual queries at once.
const READ: usize = 1024;

/// Buffers that grew beyond this for a large message are given back after it.
const KEPT: usize = 4 * 1024;

/// Zones sent and updates done at once over one connection: a secondary of many zones asks for them one after the other, and what it asks
/// further is read when one of these is through.
const WORKS_MAX: usize = 2;

/// Messages of a zone that are packed ahead of a reader: 64 KiB, as much as a socket takes at once.
const MESSAGES_AHEAD: usize = 4;

/// How long saying goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Answers until either side has enough, and says why it ended.
pub(crate) async fn converse<S>(
    stream: &mut S,
    peer: SocketAddr,
    transport: Transport,
    desk: &mut Desk,
    place: &Place,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (sender, mut messages) = mpsc::channel(MESSAGES_AHEAD);
    let mut works: JoinSet<io::Result<()>> = JoinSet::new();
    let mut talk = Talk::new();
    let mut overstayed = pin!(place.overstayed());
    loop {
        let caller = Caller { peer, transport, idle_max: Some(place.idle_max()) };
        while talk.may_answer(works.len())
            && let Some(packet) = talk.next_message()
        {
            if let Some(work) = talk.answer(&packet, caller, desk) {
                let (desk, sender) = (desk.clone(), sender.clone());
                works.spawn(async move { desk.work(work, caller, sender).await });
            }
        }
        if !talk.may_answer(works.len()) {
            // Whoever asks much lets others be answered in between.
            tokio::task::yield_now().await;
        }
        // A zone may be packed, and its last messages still be here.
        let n_sending = works.len() + messages.len();
        if let Some(end) = talk.over(n_sending) {
            // How it ends interests nobody: the client has what it asked for.
            let _ = tokio::time::timeout(GOODBYE_MAX, writer.shutdown()).await;
            return end;
        }
        if let Some(doing) = talk.news(n_sending) {
            place.set(doing);
        }
        let (reads, writes, has_room) =
            (talk.may_read(works.len()), !talk.is_taken(), talk.out.len() < OUT_MAX);
        let Talk { input, out, .. } = &mut talk;
        tokio::select! {
            read = reader.read_buf(input), if reads => match read {
                Ok(0) => talk.end = Some(End::Closed),
                Ok(_) => {}
                Err(_) => return End::Failed,
            },
            written = push(&mut writer, out), if writes => match written {
                Ok(n_written) => talk.taken(n_written),
                Err(_) => return End::Failed,
            },
            Some(message) = messages.recv(), if has_room => talk.say(&message),
            Some(sent) = works.join_next() => if !matches!(sent, Ok(Ok(()))) {
                return End::Failed;
            },
            overstay = &mut overstayed => return End::of(overstay, talk.stalled()),
        }
    }
}

/// Writes what it can, or flushes when there is nothing left: what TLS keeps back is then on its way.
async fn push(writer: &mut (impl AsyncWrite + Unpin), out: &[u8]) -> io::Result<usize> {
    if out.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(out).await {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}

/// The state of a conversation.
struct Talk {
    /// What was read and is not answered yet.
    input: BytesMut,
    /// What was said and is not taken yet.
    out: BytesMut,
    is_flushed: bool,
    /// Nothing more is read: why.
    end: Option<End>,
    /// What it was at when its place last heard of it, and whether something has moved since.
    doing: Doing,
    moved: bool,
    /// Bytes taken since then.
    n_taken: usize,
}

// === impl Talk ===

impl Talk {
    fn new() -> Self {
        Self {
            input: BytesMut::new(),
            out: BytesMut::new(),
            is_flushed: true,
            end: None,
            doing: Doing::Idle,
            moved: false,
            n_taken: 0,
        }
    }

    /// Whether the client has taken everything.
    fn is_taken(&self) -> bool {
        self.out.is_empty() && self.is_flushed
    }

    fn may_answer(&self, n_works: usize) -> bool {
        self.out.len() < OUT_MAX && n_works < WORKS_MAX
    }

    /// Whether to read on; makes room for it.
    fn may_read(&mut self, n_works: usize) -> bool {
        let may = self.end.is_none() && self.may_answer(n_works);
        if may {
            let missing =
                self.length().map_or(0, |length| (PREFIX + length).saturating_sub(self.input.len()));
            self.input.reserve(missing.max(READ));
        }
        may
    }

    /// The length of the message that the input begins with.
    fn length(&self) -> Option<usize> {
        self.input.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))
    }

    /// Takes a whole message from the input.
    fn next_message(&mut self) -> Option<BytesMut> {
        let length = self.length().filter(|length| self.input.len() >= PREFIX + length)?;
        self.input.advance(PREFIX);
        let message = self.input.split_to(length);
        self.moved = true;
        if self.input.is_empty() && length > KEPT {
            self.input = BytesMut::new();
        }
        Some(message)
    }

    /// Answers a message; gives what is to be done first, if something is.
    fn answer(&mut self, packet: &[u8], caller: Caller, desk: &mut Desk) -> Option<Work> {
        let at = self.out.len();
        self.out.extend_from_slice(&[0; PREFIX]);
        match desk.answer(packet, caller, &mut self.out) {
            Some(Said::Message) => {
                // No response is longer than the length can say.
                let length = u16::try_from(self.out.len() - at - PREFIX).unwrap_or(u16::MAX);
                self.out[at..at + PREFIX].copy_from_slice(&length.to_be_bytes());
                self.is_flushed = false;
                None
            }
            Some(Said::Later(work)) => {
                self.out.truncate(at);
                Some(work)
            }
            None => {
                self.out.truncate(at);
                self.input.clear();
                self.end = Some(End::Protocol);
                None
            }
        }
    }

    /// Adds a message that has its length before it.
    fn say(&mut self, message: &[u8]) {
        self.out.extend_from_slice(message);
        self.is_flushed = false;
    }

    /// Notes what the client took.
    fn taken(&mut self, n_written: usize) {
        if self.out.is_empty() {
            self.is_flushed = true;
            if self.out.capacity() > KEPT {
                self.out = BytesMut::new();
            }
            return;
        }
        self.out.advance(n_written);
        self.n_taken += n_written;
        self.moved |= self.n_taken >= PROGRESS;
    }

    /// Why it is over, when it is.
    fn over(&self, n_sending: usize) -> Option<End> {
        self.end.filter(|_| self.is_taken() && n_sending == 0)
    }

    /// What its place has to hear, when that is something new.
    fn news(&mut self, n_sending: usize) -> Option<Doing> {
        let doing = if !self.is_taken() {
            Doing::Awaited
        } else if n_sending > 0 {
            Doing::Working
        } else if self.input.is_empty() {
            Doing::Idle
        } else {
            Doing::Awaited
        };
        let is_news = doing != self.doing || self.moved;
        if is_news {
            (self.doing, self.moved, self.n_taken) = (doing, false, 0);
        }
        is_news.then_some(doing)
    }

    /// What the client keeps us waiting with.
    fn stalled(&self) -> End {
        if self.is_taken() { End::SlowSender } else { End::SlowReader }
    }
}

#[cfg(test)]
mod tests;
