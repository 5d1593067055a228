"""Random questions about the judged zone, the same for the same seed.

Half of the names exist or nearly do: an existing name, one of its parts, something below it, or it with a letter
changed. The rest is made of labels that mean something to the zone (`*`, the wildcards' and the cuts') in any order,
and of names outside of it. Case is mixed, as resolvers mix it.
"""

from dataclasses import dataclass

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from . import zone

# Types that the zone holds or might hold, unknown ones, and those that only a question can have.
TYPES_HELD = (
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DNAME",
    "DS",
    "HINFO",
    "HTTPS",
    "MX",
    "NAPTR",
    "NS",
    "PTR",
    "SOA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
)
TYPES_OTHER = (
    "DNSKEY",
    "NSEC",
    "RRSIG",
    "LOC",
)
TYPES_ODD = (1000, 65280, 65534, 127, 32769)
TYPES_OF_QUESTIONS = ("ANY", 128, 200, 248)

LABELS = (
    b"*",
    b"a",
    b"www",
    b"wild",
    b"ent",
    b"more",
    b"alias",
    b"any",
    b"exists",
    b"leaf",
    b"child",
    b"sibling",
    b"below",
    b"cut",
    b"ns1",
    b"host",
    b"nonterminal",
    b"empty",
    b"deep",
    b"_tcp",
    b"_sip",
    b"\x00",
    b"a.b",
    b"\xff\xfe",
    b"x" * 63,
    b"ns10",
    b"wide",
    b"renamed",
    b"into-cut",
    b"away",
    b"signed",
)

# CHAOS, HESIOD, NONE, ANY, and one that is not assigned.
CLASSES_OTHER = (3, 4, 254, 255, 17)

PAYLOADS = (0, 512, 1232, 4096, 65535)

DO = 0x8000

# None, RD, CD, both, AD, and the reserved bit.
FLAGS = (0, 0x0100, 0x0010, 0x0110, 0x0020, 0x0040)


@dataclass
class Question:
    name: dns.name.Name
    rdtype: int
    # Advertised by EDNS; none is a query without EDNS.
    payload: int | None
    flags: int
    dnssec_ok: bool
    rdclass: int

    def wire(self, number):
        """The message, whose id is `number`."""
        edns = {}
        if self.payload is not None:
            edns = {"use_edns": 0, "payload": self.payload, "ednsflags": DO if self.dnssec_ok else 0}
        message = dns.message.make_query(self.name, self.rdtype, self.rdclass, id=number, **edns)
        message.flags = self.flags
        return message.to_wire()

    def __str__(self):
        kind = f"{dns.rdataclass.to_text(self.rdclass)} {dns.rdatatype.to_text(self.rdtype)}"
        edns = "no EDNS" if self.payload is None else f"EDNS {self.payload}{' DO' if self.dnssec_ok else ''}"
        return f"{self.name} {kind} ({edns}, flags {self.flags:#06x})"


def questions(random, count):
    """`count` questions from this source of randomness."""
    apex = dns.name.from_text(f"{zone.APEX}.")
    owners = {record[0] for record in zone.RECORDS if not record[0].endswith(".wide")}
    existing = sorted({dns.name.from_text(zone.absolute(owner)) for owner in owners} | {apex})
    for _ in range(count):
        yield Question(
            name=mixed_case(random, name(random, apex, existing)),
            rdtype=rdtype(random),
            payload=random.choice(PAYLOADS) if random.random() < 0.6 else None,
            flags=random.choice(FLAGS),
            dnssec_ok=random.random() < 0.3,
            rdclass=random.choice(CLASSES_OTHER) if random.random() < 0.02 else dns.rdataclass.IN,
        )


def rdtype(random):
    kinds = random.choices((TYPES_HELD, TYPES_OTHER, TYPES_ODD, TYPES_OF_QUESTIONS), weights=(70, 18, 8, 4))[
        0
    ]
    return dns.rdatatype.RdataType.make(random.choice(kinds))


def name(random, apex, existing):
    kind = random.random()
    base = random.choice(existing)
    if kind < 0.35:
        return base
    if kind < 0.5:
        return base.split(random.randint(min(3, len(base)), len(base)))[1]
    if kind < 0.7:
        return below(random, base, random.randint(1, 3))
    if kind < 0.8:
        return changed(random, base)
    if kind < 0.97:
        return below(random, apex, random.randint(1, 5))
    return dns.name.from_text(
        random.choice((".", "example.", "org.", "judge.example.org.", "notjudge.example."))
    )


def below(random, base, n_labels):
    """A name of so many more labels, or fewer where it would be too long."""
    for _ in range(n_labels):
        try:
            base = dns.name.Name((random.choice(LABELS),) + base.labels)
        except dns.name.NameTooLong:
            break
    return base


def changed(random, base):
    """The name with one byte of one label changed."""
    labels = list(base.labels)
    at = random.randrange(max(1, len(labels) - 3))
    label = bytearray(labels[at] or b"x")
    label[random.randrange(len(label))] = random.choice(b"abcxyz019-_*")
    labels[at] = bytes(label)
    return dns.name.Name(labels if labels[-1] == b"" else [*labels, b""])


def mixed_case(random, given):
    def mix(label):
        return bytes(
            byte ^ 0x20 if chr(byte).isalpha() and byte < 128 and random.random() < 0.3 else byte
            for byte in label
        )

    return dns.name.Name(tuple(mix(label) for label in given.labels))
