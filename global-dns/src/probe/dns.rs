//! A question to an endpoint that is a name server: is the response code the one wanted, does the answer hold what it must?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinEncodable as _;
use koinon_types::names::{DnsProbe, DnsTransport};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::ask::{Unwell, connect};
use crate::wire::{UDP_PAYLOAD_PLAIN, rdata, rtype};

/// Types whose data is little else than a name, whose case does not matter (RFC 4343).
const NAMING: [u16; 6] = [rtype::NS, rtype::CNAME, rtype::PTR, rtype::MX, rtype::SRV, rtype::DNAME];

/// A question, ready to be asked.
pub(super) struct Asked {
    query: Query,
    transport: DnsTransport,
    rcode: u16,
    answer: Option<Vec<u8>>,
}

// === impl Asked ===

impl Asked {
    pub(super) fn new(probe: &DnsProbe) -> Result<Self, String> {
        let name = Name::from_ascii(format!("{}.", probe.name)).map_err(|error| error.to_string())?;
        let query = Query::query(name, RecordType::from(probe.kind));
        let answer = probe.answer.clone();
        Ok(Self { query, transport: probe.transport, rcode: probe.rcode, answer })
    }

    fn judge(&self, response: &Message) -> Result<(), String> {
        let rcode = u16::from(response.metadata.response_code);
        if rcode != self.rcode {
            return Err(format!("DNS: {:?}", response.metadata.response_code).to_uppercase());
        }
        let Some(wanted) = &self.answer else { return Ok(()) };
        let kind = self.query.query_type();
        let text = |data: &[u8]| rdata::text(kind.into(), &rdata::Rdata::opaque(data));
        let is_wanted = |data: &[u8]| {
            data == wanted
                || (NAMING.contains(&kind.into()) && text(data).eq_ignore_ascii_case(&text(wanted)))
        };
        let mut own = response.answers.iter().filter(|record| record.record_type() == kind);
        if own.any(|record| record.data.to_bytes().is_ok_and(|data| is_wanted(&data))) {
            return Ok(());
        }
        Err(format!("DNS: the answer lacks {}", text(wanted)))
    }

    /// Whether this is the response to our question and nobody else's.
    fn is_response(&self, response: &Message, id: u16) -> bool {
        let Metadata { id: given, message_type, .. } = response.metadata;
        given == id && message_type == MessageType::Response && response.queries == [self.query.clone()]
    }
}

/// Asks.
pub(super) async fn ask(asked: &Asked, address: SocketAddr) -> Result<(), Unwell> {
    let mut id = [0; 2];
    // Without a random number nobody could tell our response from a forged one.
    SystemRandom::new().fill(&mut id).map_err(|_| Unwell::Ourselves)?;
    let id = u16::from_be_bytes(id);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    // A resolver answers only who asks it to recur; an authoritative server does not mind.
    message.metadata.recursion_desired = true;
    message.add_query(asked.query.clone());
    let packet = message.to_vec().map_err(|error| Unwell::Endpoint(format!("DNS: {error}")))?;
    let response = match asked.transport {
        DnsTransport::Udp => datagram(asked, address, &packet, id).await?,
        DnsTransport::Tcp => stream(address, &packet).await?,
    };
    if !asked.is_response(&response, id) {
        return Err(Unwell::Endpoint("DNS: a response to something else".to_owned()));
    }
    asked.judge(&response).map_err(Unwell::Endpoint)
}

/// Waits for the response in a datagram; others are not for us, as anybody can send them.
async fn datagram(asked: &Asked, address: SocketAddr, packet: &[u8], id: u16) -> Result<Message, Unwell> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(address).await?;
    socket.send(packet).await?;
    let mut buffer = vec![0; usize::from(UDP_PAYLOAD_PLAIN)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::from_vec(&buffer[..length]) {
            Ok(response) if asked.is_response(&response, id) => return Ok(response),
            Ok(_) | Err(_) => {}
        }
    }
}

async fn stream(address: SocketAddr, packet: &[u8]) -> Result<Message, Unwell> {
    let mut stream = connect(address).await?;
    let length = u16::try_from(packet.len()).map_err(|_| Unwell::Ourselves)?;
    stream.write_all(&[&length.to_be_bytes(), packet].concat()).await?;
    let mut response = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut response).await?;
    Message::from_vec(&response).map_err(|error| Unwell::Endpoint(format!("DNS: {error}")))
}
