"""Where NSD or Knot and Koinon may say different things, each with the RFC that allows what Koinon says.

A rule is as narrow as it can be: it holds for one kind of question and for exactly one answer of Koinon's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import dns.name
import dns.rdataclass
import dns.rdatatype

from . import zone

NXNAME = 128
META_TYPES = range(129, 255)


@dataclass(frozen=True)
class Difference:
    title: str
    # The server that differs, or `any`.
    server: str
    applies: Callable


def any_is_minimal(question, koinon, other):
    """Koinon's one HINFO record against whatever the other has at the name."""
    (said,) = koinon.answer if len(koinon.answer) == 1 else (None,)
    return (
        question.rdtype == dns.rdatatype.ANY
        and (koinon.rcode, koinon.authoritative, koinon.truncated) == ("NOERROR", True, False)
        and said is not None
        and said.endswith(' 3600 HINFO "RFC8482" ""')
        and (other.rcode, other.authoritative) == ("NOERROR", True)
        and (bool(other.answer) or other.truncated)
    )


def any_is_not_redirected_further(question, koinon, other):
    """Koinon's DNAME and the alias made from it against the same and what the alias leads to."""
    kinds = sorted(record.split()[2] for record in koinon.answer)
    return (
        question.rdtype == dns.rdatatype.ANY
        and (koinon.rcode, koinon.authoritative, koinon.truncated) == ("NOERROR", True, False)
        and kinds == ["CNAME", "DNAME"]
        and not koinon.authority
        and other.authoritative
        and set(koinon.answer) <= set(other.answer)
    )


def meta_type(question, koinon, other):
    """Koinon's NOTIMP alone against an answer as for any unknown type."""
    return question.rdtype in META_TYPES and is_bare(koinon, "NOTIMP") and other.rcode != "NOTIMP"


def nxname(question, koinon, other):
    """Koinon's FORMERR alone against an answer as for any unknown type."""
    return question.rdtype == NXNAME and is_bare(koinon, "FORMERR") and other.rcode != "FORMERR"


def alias_followed(question, koinon, other):
    """Koinon follows an alias for every type but CNAME and ANY; Knot takes two types to belong to the alias."""
    return (
        question.rdtype in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
        and koinon.rcode in ("NOERROR", "NXDOMAIN")
        and koinon.authoritative
        and any(" CNAME " in record for record in koinon.answer)
        and (other.rcode, other.authoritative, len(other.answer), len(other.authority))
        == ("NOERROR", True, 0, 1)
    )


def another_class(question, koinon, other):
    """Koinon's REFUSED alone, for any class but IN."""
    return question.rdclass != dns.rdataclass.IN and is_bare(koinon, "REFUSED")


def glue_left_out(question, koinon, other):
    """Koinon's TC against a referral that lacks some of its glue, and does not say so."""
    n_wide = sum(1 for record in zone.RECORDS if record[0].endswith(".wide"))
    return (
        dns.name.from_text(f"wide.{zone.APEX}.").is_superdomain(question.name)
        and is_truncated(koinon)
        and (other.rcode, other.authoritative, other.truncated) == ("NOERROR", False, False)
        and len(other.addresses) < n_wide
    )


def is_truncated(said):
    """Whether TC is all that is said."""
    return (
        said.truncated
        and said.rcode == "NOERROR"
        and not (said.authoritative or said.answer or said.authority)
    )


def is_bare(said, rcode):
    """Whether this code is all that is said."""
    nothing = not (said.authoritative or said.truncated or said.answer or said.authority)
    return said.rcode == rcode and nothing


DIFFERENCES = (
    Difference("ANY is answered with one HINFO record (RFC 8482 section 4.2)", "any", any_is_minimal),
    Difference(
        "ANY below a DNAME is not followed (RFC 8482 section 4.1)", "any", any_is_not_redirected_further
    ),
    Difference("a meta type that has no meaning is NOTIMP (RFC 8906 section 7)", "any", meta_type),
    Difference("a question for NXNAME is FORMERR (RFC 9824 section 3.5)", "any", nxname),
    Difference(
        "an alias in an unsigned zone is followed for RRSIG and NSEC too (RFC 1034 section 4.3.2, step 3a)",
        "knot",
        alias_followed,
    ),
    Difference("a class other than IN is REFUSED (RFC 1035 section 4.1.1)", "any", another_class),
    Difference("glue that does not fit is missed by TC (RFC 9471 section 3.1)", "nsd", glue_left_out),
)
