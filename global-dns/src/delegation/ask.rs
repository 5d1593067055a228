//! One question, one answer: over UDP, over TCP, or over TCP when UDP has too little room.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Lookup;

/// How long one attempt may take: far servers need a third of a second, and people wait for the whole.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// Attempts over UDP, which loses packets.
const ATTEMPTS: usize = 2;

/// What passes everywhere in one datagram (DNS flag day 2020).
const PAYLOAD: u16 = 1232;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// This machine has no way there.
    #[error("this machine cannot reach it: {0}")]
    NoWay(String),
    /// Nobody listens, or the connection broke.
    #[error("{0}")]
    Refused(String),
    /// There was no answer in time.
    #[error("no answer")]
    Timeout,
    /// What came is no DNS message, or none to this question.
    #[error("the answer cannot be read")]
    Malformed,
}

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
}

/// Asks an authoritative server, over TCP where the answer needs it.
pub(super) async fn authority(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<Message, AskError> {
    whole(server, message(name, kind)).await
}

/// Asks one way only.
pub(super) async fn by(
    way: Way,
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<Message, AskError> {
    let question = message(name, kind);
    match way {
        Way::Udp => udp(server, &question).await,
        Way::Tcp => tcp(server, &question).await,
    }
}

/// Asks the resolver.
pub(super) async fn resolver(lookup: Lookup, name: &Name, kind: RecordType) -> Result<Message, AskError> {
    let mut question = message(name, kind);
    question.metadata.recursion_desired = true;
    whole(lookup.resolver, question).await
}

/// The addresses that the resolver finds for a name; none when it finds none.
pub(super) async fn addresses(lookup: Lookup, name: &Name) -> BTreeSet<IpAddr> {
    let (v4, v6) =
        tokio::join!(resolver(lookup, name, RecordType::A), resolver(lookup, name, RecordType::AAAA));
    let answers = [v4, v6].into_iter().flatten().flat_map(|answer| answer.answers);
    answers.filter_map(|record| record.data.ip_addr()).collect()
}

fn message(name: &Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD).set_dnssec_ok(true);
    message.set_edns(edns);
    message
}

async fn whole(server: SocketAddr, question: Message) -> Result<Message, AskError> {
    let answer = udp(server, &question).await?;
    // Very old servers do not know EDNS; what is asked here needs it for signatures only.
    if answer.metadata.response_code == ResponseCode::FormErr {
        let mut bare = question;
        bare.edns = None;
        return udp(server, &bare).await;
    }
    if answer.metadata.truncation { tcp(server, &question).await } else { Ok(answer) }
}

async fn udp(server: SocketAddr, question: &Message) -> Result<Message, AskError> {
    let mut result = Err(AskError::Timeout);
    for _ in 0..ATTEMPTS {
        result = udp_once(server, question).await;
        match result {
            Err(AskError::Timeout) => {}
            Ok(_) | Err(AskError::NoWay(_) | AskError::Refused(_) | AskError::Malformed) => break,
        }
    }
    result
}

async fn udp_once(server: SocketAddr, question: &Message) -> Result<Message, AskError> {
    let deadline = Instant::now() + ATTEMPT_MAX;
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(|error| no_way(&error))?;
    socket.connect(server).await.map_err(|error| no_way(&error))?;
    socket.send(&bytes(question)?).await.map_err(|error| no_way(&error))?;
    let mut packet = [0; PAYLOAD as usize];
    loop {
        let received = timeout_at(deadline, socket.recv(&mut packet)).await.map_err(|_| AskError::Timeout)?;
        let length = received.map_err(|error| refused(&error))?;
        // What does not answer the question is somebody else's try to.
        if let Some(answer) = Message::from_vec(&packet[..length]).ok().filter(|it| answers(it, question)) {
            return Ok(answer);
        }
    }
}

async fn tcp(server: SocketAddr, question: &Message) -> Result<Message, AskError> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await.map_err(|error| match error.kind() {
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => no_way(&error),
            _ => refused(&error),
        })?;
        let bytes = bytes(question)?;
        let length = u16::try_from(bytes.len()).map_err(|_| AskError::Malformed)?;
        let framed = [&length.to_be_bytes()[..], &bytes].concat();
        stream.write_all(&framed).await.map_err(|error| refused(&error))?;
        let length = stream.read_u16().await.map_err(|error| refused(&error))?;
        let mut packet = vec![0; length.into()];
        stream.read_exact(&mut packet).await.map_err(|error| refused(&error))?;
        let answer = Message::from_vec(&packet).map_err(|_| AskError::Malformed)?;
        if answers(&answer, question) { Ok(answer) } else { Err(AskError::Malformed) }
    };
    tokio::time::timeout(ATTEMPT_MAX, exchange).await.map_err(|_| AskError::Timeout)?
}

fn bytes(question: &Message) -> Result<Vec<u8>, AskError> {
    question.to_vec().map_err(|_| AskError::Malformed)
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == hickory_proto::op::MessageType::Response
        && answer.queries == question.queries
}

fn no_way(error: &io::Error) -> AskError {
    AskError::NoWay(error.kind().to_string())
}

fn refused(error: &io::Error) -> AskError {
    AskError::Refused(error.kind().to_string())
}

/// The names in NS records of `owner` among these.
pub(super) fn name_servers<'a>(
    records: impl IntoIterator<Item = &'a hickory_proto::rr::Record>,
    owner: &Name,
) -> BTreeSet<Name> {
    let of_owner = records.into_iter().filter(|record| record.name == *owner);
    let names = of_owner.filter_map(|record| match &record.data {
        RData::NS(server) => Some(server.0.to_lowercase()),
        _ => None,
    });
    names.collect()
}
