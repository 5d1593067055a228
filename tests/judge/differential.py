"""The same questions to Koinon, NSD and Knot, which serve the same zone: who says something else, and who is right.

Compared are the response code, the flags, and answer and authority as sets of records with their TTLs; of the
additional section, the addresses of a referral. Where servers may differ, `differences.py` says so with the RFC
that allows what Koinon does; anything else fails the run.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from . import ask
from .differences import DIFFERENCES
from .questions import questions
from .rows import Row

# A failed run shows this many examples of each kind.
EXAMPLES_MAX = 3

# Types whose data is numbers and names.
TYPES_OF_NAMES = (
    dns.rdatatype.CNAME,
    dns.rdatatype.MX,
    dns.rdatatype.NS,
    dns.rdatatype.SOA,
    dns.rdatatype.SRV,
)


@dataclass
class Said:
    """What is compared of a response."""

    rcode: str
    authoritative: bool
    truncated: bool
    # RD, which a response repeats, and RA and AD, which are not for this server to set. CD, which Koinon repeats (RFC
    # 4035 section 3.1.6), is left alone by servers that have no signed zone.
    flags: str
    answer: frozenset
    authority: frozenset
    addresses: frozenset

    def __str__(self):
        flags = (
            f"{' aa' if self.authoritative else ''}{' tc' if self.truncated else ''} {self.flags}".rstrip()
        )
        sections = ((self.answer, "an"), (self.authority, "ns"), (self.addresses, "ar"))
        records = [f"{label} {record}" for section, label in sections for record in sorted(section)]
        return f"{self.rcode}{flags} [{'; '.join(records)}]"


@dataclass
class Tally:
    """What a comparison with one server came to."""

    listed: Counter = field(default_factory=Counter)
    unlisted: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)


def judge(transport, koinon, others, n_queries, seed):
    """Asks all servers the same `n_queries` questions. Shape: one row per other server."""
    connections = {
        name: ask.connect(transport, server) for name, server in {"koinon": koinon, **others}.items()
    }
    tallies = {name: Tally() for name in others}
    for number, question in enumerate(questions(random.Random(seed), n_queries)):
        query = question.wire(number % 65536)
        said = {name: read(connection, query) for name, connection in connections.items()}
        for name in others:
            compare(name, question, said["koinon"], said[name], tallies[name])
    for connection in connections.values():
        connection.close()
    return [row(transport, name, n_queries, seed, tally) for name, tally in tallies.items()]


def read(connection, query):
    """What a server says, or why that cannot be read."""
    try:
        answer = dns.message.from_wire(connection.ask(query))
    except ask.NoAnswer as error:
        return str(error)
    except dns.exception.DNSException as error:
        return f"malformed: {error}"
    truncated = bool(answer.flags & dns.flags.TC)
    referral = any(rrset.rdtype == dns.rdatatype.NS for rrset in answer.authority)
    return Said(
        rcode=dns.rcode.to_text(answer.rcode()),
        authoritative=bool(answer.flags & dns.flags.AA),
        truncated=truncated,
        flags=dns.flags.to_text(answer.flags & (dns.flags.RD | dns.flags.RA | dns.flags.AD)),
        # What came of a truncated response is not used by anybody (RFC 2181 section 9).
        answer=frozenset() if truncated else records(answer.answer),
        authority=frozenset() if truncated else records(answer.authority),
        addresses=records(answer.additional) if referral and not truncated else frozenset(),
    )


def records(section):
    """The records of a section, one text each. Names are lower-cased: their case is the compression's (RFC 4343)."""
    return frozenset(
        f"{rrset.name.canonicalize()} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data(record)}"
        for rrset in section
        for record in rrset
    )


def data(record):
    if record.rdtype == dns.rdatatype.SOA:
        # Each server counts for itself.
        record = record.replace(serial=0)
    return record.to_text().lower() if record.rdtype in TYPES_OF_NAMES else record.to_text()


def compare(name, question, koinon, other, tally):
    """Counts a difference under the rule that decides it, or as one that none decides."""
    if koinon == other:
        return
    for rule in DIFFERENCES if isinstance(koinon, Said) and isinstance(other, Said) else ():
        if rule.server in (name, "any") and rule.applies(question, koinon, other):
            tally.listed[rule.title] += 1
            return
    kind = f"{summary(koinon)} against {summary(other)}"
    tally.unlisted[kind] += 1
    examples = tally.examples.setdefault(kind, [])
    if len(examples) < EXAMPLES_MAX:
        examples.append(f"{question}\n      koinon: {koinon}\n      {name}: {other}")


def summary(said):
    if isinstance(said, str):
        return said
    flags = f"{' aa' if said.authoritative else ''}{' tc' if said.truncated else ''} {said.flags}".rstrip()
    return f"{said.rcode}{flags} {len(said.answer)}/{len(said.authority)}/{len(said.addresses)}"


def row(transport, name, n_queries, seed, tally):
    notes = [f"{count} times {title}" for title, count in sorted(tally.listed.items())]
    differed = []
    for kind, count in tally.unlisted.most_common():
        differed.append(f"{count} times {kind}")
        differed.extend(f"  {example}" for example in tally.examples[kind])
    return Row("differential", f"{name}, {n_queries} queries, seed {seed}", transport, differed, notes)
