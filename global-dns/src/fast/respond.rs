//! A batch of datagrams to its responses, without allocation, lock or wait.

use std::net::IpAddr;

use super::batch::RESPONSE_MAX;
use super::packet::{NameBuffer, Usual, read};
use crate::limit::{Kind, Limiter, Verdict};
use crate::node::Speaker;
use crate::snapshot::{Answer, Client, Lane, Question, Snapshot, TOGETHER_MAX, write};
use crate::wire::Rcode;
use crate::wire::name::NAME_MAX;

/// Room for the lower-cased names of a batch; kept by the thread.
pub(crate) type Names = [NameBuffer; TOGETHER_MAX];

/// Room for [`Names`].
pub(crate) fn names() -> Box<Names> {
    Box::new([[0; NAME_MAX + 9]; TOGETHER_MAX])
}

/// What becomes of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// The edge answers it.
    Left,
    /// It gets no answer: its network has had enough.
    Withheld,
    /// The response has this length and code.
    Ready { length: usize, rcode: Rcode },
}

/// One per query.
pub(crate) type Responses = [Response; TOGETHER_MAX];

/// Answers the usual ones of up to [`TOGETHER_MAX`] queries, each into the place of its own in `out`.
pub(crate) fn respond(
    snapshot: &Snapshot,
    queries: &[(&[u8], IpAddr)],
    speaker: &Speaker<'_>,
    lane: Lane,
    mut limiter: Option<&mut Limiter>,
    names: &mut Names,
    out: &mut [[u8; RESPONSE_MAX]],
) -> Responses {
    let mut usual: [Option<Usual<'_>>; TOGETHER_MAX] = [const { None }; TOGETHER_MAX];
    let nobody = Client::from(IpAddr::from([0; 4]));
    let mut asked = [(Question { name: &[], n_labels: 0, rtype: 0, dnssec_ok: false }, nobody); TOGETHER_MAX];
    let mut n_asked = 0;
    for ((place, (packet, client)), name) in usual.iter_mut().zip(queries).zip(names) {
        *place = read(packet, name);
        if let Some(usual) = place {
            let subnet = usual.head.edns.and_then(|edns| edns.subnet);
            asked[n_asked] = (usual.question, Client::new(*client, subnet));
            n_asked += 1;
        }
    }
    let mut answers = [Answer::bare(Rcode::Refused); TOGETHER_MAX];
    snapshot.answer_all(&asked[..n_asked], speaker.now, &mut answers);
    let mut responses = [Response::Left; TOGETHER_MAX];
    let mut answers = answers.iter();
    for (((usual, out), response), (_, client)) in usual.iter().zip(out).zip(&mut responses).zip(queries) {
        let Some(usual) = usual else { continue };
        let Some(answer) = answers.next() else { break };
        if answer.is_redirect {
            // It depends on the labels of the question: the edge writes it.
            continue;
        }
        let rcode = answer.rcode();
        let options = speaker.options(usual.head.edns, *client);
        let verdict = limiter.as_deref_mut().map_or(Verdict::Give, |limiter| {
            let is_known = speaker.knows(usual.head.edns, *client);
            if is_known {
                return Verdict::Give;
            }
            let length = answer.length(&usual.head, &options).min(usual.head.udp_limit());
            limiter.judge(*client, Kind::of(rcode), length, speaker.now)
        });
        if verdict == Verdict::Withhold {
            *response = Response::Withheld;
            continue;
        }
        // Nothing fits into nothing, which is told by TC.
        let limit = if verdict == Verdict::Cut { 0 } else { usual.head.udp_limit() };
        let length = write(out, &usual.head, answer, &options, limit);
        if verdict != Verdict::Cut {
            snapshot.count(answer, lane);
        }
        *response = Response::Ready { length, rcode };
    }
    responses
}
