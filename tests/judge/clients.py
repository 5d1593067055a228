"""What BIND's own clients make of the answers: `dig` shows them whole, `delv` takes them through a resolver.

The zone is unsigned, so `delv` is told not to validate; what it still refuses is a response that its resolver
cannot use.
"""

import subprocess
from dataclasses import dataclass, field

from . import zone
from .rows import Row

# dig asks once and waits five seconds; the rest is for a busy machine.
SECONDS_MAX = 30

SOA = f"judge.example. 60 SOA ns1.{zone.APEX}. hostmaster.{zone.APEX}. SERIAL 7200 900 1209600 60"
WWW = [f"www.{zone.APEX}. 300 A 192.0.2.{last}" for last in (11, 12, 13)]
CHAIN = [
    f"{name}.{zone.APEX}. {ttl} CNAME {target}.{zone.APEX}." for name, _, target, ttl in zone.CNAME_CHAIN
] + [f"chain4.{zone.APEX}. 300 CNAME www.{zone.APEX}."]
CHILD = [
    f"child.{zone.APEX}. 900 NS {name}."
    for name in ("ns.example.org", *(f"ns{n}.child.{zone.APEX}" for n in (1, 2)))
]
CHILD_GLUE = [
    f"ns1.child.{zone.APEX}. 900 A 192.0.2.40",
    f"ns1.child.{zone.APEX}. 900 AAAA 2001:db8::40",
    f"ns2.child.{zone.APEX}. 900 A 192.0.2.41",
]


@dataclass
class Shown:
    """A response as dig shows it; sections are sorted, the serial is not compared."""

    status: str
    aa: bool = True
    answer: list[str] = field(default_factory=list)
    authority: list[str] = field(default_factory=list)
    additional: list[str] = field(default_factory=list)


def negative(status, answer=()):
    return Shown(status, answer=list(answer), authority=[SOA])


def referral(servers, glue):
    return Shown("NOERROR", aa=False, authority=servers, additional=glue)


def owned(name, record):
    return f"{name}.{zone.APEX}. {record}"


def said(name, record):
    """One record, owned by the name that was asked."""
    return Shown("NOERROR", answer=[owned(name, record)])


LARGE = [owned("large", f"300 TXT {text}") for name, _, text, _ in zone.RECORDS if name == "large"]

DIG = (
    ("positive", "www", "A", Shown("NOERROR", answer=WWW)),
    (
        "another type, with the address that comes next",
        "_sip._tcp",
        "SRV",
        Shown(
            "NOERROR",
            answer=[owned("_sip._tcp", f"300 SRV 10 5 5060 sip.{zone.APEX}.")],
            additional=[owned("sip", "300 AAAA 2001:db8::20")],
        ),
    ),
    (
        "a redirected name",
        "any.renamed",
        "A",
        Shown(
            "NOERROR",
            answer=[
                owned("renamed", f"450 DNAME wild.{zone.APEX}."),
                owned("any.renamed", f"450 CNAME any.wild.{zone.APEX}."),
                owned("any.wild", "300 A 192.0.2.30"),
            ],
        ),
    ),
    ("a global name", "global", "A", said("global", "30 A 192.0.2.80")),
    ("a global name, another type", "global", "TXT", negative("NOERROR")),
    ("NODATA", "www", "MX", negative("NOERROR")),
    ("NXDOMAIN", "nowhere", "A", negative("NXDOMAIN")),
    ("NXDOMAIN below a leaf", "below.www", "A", negative("NXDOMAIN")),
    ("empty non-terminal", "nonterminal", "TXT", negative("NOERROR")),
    ("empty non-terminal, second", "empty.nonterminal", "A", negative("NOERROR")),
    ("wildcard", "any.wild", "A", said("any.wild", "300 A 192.0.2.30")),
    ("wildcard, two labels", "any.thing.wild", "A", said("any.thing.wild", "300 A 192.0.2.30")),
    ("wildcard itself", "*.wild", "TXT", said("*.wild", '300 TXT "synthesised"')),
    ("wildcard, NODATA", "any.wild", "MX", negative("NOERROR")),
    ("wildcard stopped by a name", "any.exists.wild", "A", negative("NXDOMAIN")),
    ("wildcard stopped by an empty name", "any.ent.wild", "A", negative("NXDOMAIN")),
    ("wildcard at an existing name", "exists.wild", "A", negative("NOERROR")),
    (
        "wildcard alias",
        "any.alias",
        "A",
        Shown("NOERROR", answer=[owned("any.alias", f"300 CNAME www.{zone.APEX}."), *WWW]),
    ),
    ("aliases", "chain1", "A", Shown("NOERROR", answer=[*CHAIN, *WWW])),
    ("aliases, NODATA", "chain1", "MX", negative("NOERROR", CHAIN)),
    (
        "alias to nothing",
        "to-missing",
        "A",
        negative("NXDOMAIN", [owned("to-missing", f"300 CNAME nowhere.{zone.APEX}.")]),
    ),
    ("alias to elsewhere", "to-outside", "A", said("to-outside", "300 CNAME www.example.org.")),
    ("delegation", "child", "A", referral(CHILD, CHILD_GLUE)),
    ("below a delegation", "host.child", "A", referral(CHILD, CHILD_GLUE)),
    ("delegation, its NS", "child", "NS", referral(CHILD, CHILD_GLUE)),
    (
        "delegation without glue",
        "any.unglued",
        "A",
        referral([owned("unglued", "900 NS ns.example.org.")], []),
    ),
    ("delegation, its DS", "child", "DS", negative("NOERROR")),
    ("more than a datagram", "large", "TXT", Shown("NOERROR", answer=LARGE)),
    ("another zone", "www.example.org.", "A", Shown("REFUSED", aa=False)),
)

DELV = (
    ("positive", "www", "A", "; authoritative"),
    ("wildcard", "any.wild", "A", "; authoritative"),
    ("aliases", "chain1", "AAAA", "; authoritative"),
    ("more than a datagram", "large", "TXT", "; authoritative"),
    ("NODATA", "www", "MX", ";; resolution failed: ncache nxrrset"),
    ("empty non-terminal", "nonterminal", "A", ";; resolution failed: ncache nxrrset"),
    ("wildcard, NODATA", "any.wild", "MX", ";; resolution failed: ncache nxrrset"),
    ("NXDOMAIN", "nowhere", "A", ";; resolution failed: ncache nxdomain"),
)


def judge(server):
    """Every case at a server. Shape: one row per case."""
    rows = []
    for case, name, kind, wanted in DIG:
        shown = dig(server, name, kind)
        rows.append(
            Row("dig", case, "udp", [] if shown == sorted_sections(wanted) else [f"{shown}", f"not {wanted}"])
        )
    shown = dig(server, zone.PAIR[0], "A")
    choices = [[owned(zone.PAIR[0], f"{zone.PAIR[2]} A {address}")] for address in zone.PAIR[1]]
    rows.append(
        Row("dig", "a global name of two clusters", "udp", [] if shown.answer in choices else [f"{shown}"])
    )
    for case, name, kind, wanted in DELV:
        first = delv(server, name, kind)
        rows.append(Row("delv", case, "udp", [] if first == wanted else [f"{first!r}, not {wanted!r}"]))
    return rows


def dig(server, name, kind):
    """One question without recursion; a truncated response is asked again over TCP, as by any client."""
    command = ["dig", "-r", f"@{server[0]}", "-p", str(server[1]), "+norecurse", "+tries=1", "+time=5"]
    show = ["+noall", "+comments", "+answer", "+authority", "+additional"]
    done = run([*command, *show, "-t", kind, "-q", zone.absolute(name)])
    shown = Shown("no answer", aa=False)
    section = None
    for line in done.splitlines():
        if "status: " in line:
            shown = Shown(line.split("status: ")[1].split(",")[0], aa=False)
        elif line.startswith(";; flags:"):
            shown.aa = " aa" in line.split(";")[2]
        elif line.startswith(";; ") and line.endswith(" SECTION:"):
            section = {"ANSWER": shown.answer, "AUTHORITY": shown.authority, "ADDITIONAL": shown.additional}[
                line.split()[1]
            ]
        elif line and not line.startswith(";"):
            section.append(record(line))
    return sorted_sections(shown)


def record(line):
    """A record without its class, blanks of dig's columns made one, the SOA's serial taken out."""
    name, ttl, _, kind, data = line.split(None, 4)
    if kind == "SOA":
        words = data.split()
        words[2] = "SERIAL"
        data = " ".join(words)
    return f"{name} {ttl} {kind} {data}"


def sorted_sections(shown):
    return Shown(
        shown.status, shown.aa, sorted(shown.answer), sorted(shown.authority), sorted(shown.additional)
    )


def delv(server, name, kind):
    """The first line that delv says."""
    done = run(["delv", f"@{server[0]}", "-p", str(server[1]), "-i", "-t", kind, "-q", zone.absolute(name)])
    lines = done.splitlines()
    return lines[0] if lines else ""


def run(command):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX, check=False
    )
    return done.stdout
