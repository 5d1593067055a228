"""RFC 8906 section 8, case by case, with exactly what the section expects.

Section 8.3 is about servers without EDNS, which is not this one's case. Rows of section 3 are what the section's
text demands beyond the list. Every case goes over UDP and TCP, except where truncation is the matter.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from . import ask, zone
from .rows import Row

Z = 0x0040
EDNS_Z = 0x0040
UNKNOWN_OPTION = 100
UNKNOWN_TYPE = dns.rdatatype.RdataType.make(1000)
# Opcodes that are assigned and mean something to some authoritative servers: QUERY, NOTIFY, UPDATE.
KNOWN_OPCODES = (0, 4, 5)
ALL_FLAGS = 0x07F0


@dataclass
class Case:
    section: str
    title: str
    query: bytes
    # Each answers what it misses, or nothing.
    expected: list[Callable]
    transports: tuple = ask.TRANSPORTS


# What section 8 expects, in its own words. Each makes a check of a response.


def status(wanted):
    return lambda answer: unless(
        answer.rcode() == wanted, f"status {text(answer)}, not {dns.rcode.to_text(wanted)}"
    )


def status_among(*wanted):
    return lambda answer: unless(answer.rcode() in wanted, f"status {text(answer)}")


def soa_present(answer):
    return unless(has_soa(answer), "the SOA record is not in the answer section")


def soa_absent(answer):
    return unless(not has_soa(answer), "the SOA record is in the answer section")


def answer_empty(answer):
    return unless(not answer.answer, "the answer section is not empty")


def sections_empty(answer):
    sections = [answer.question, answer.answer, answer.authority, answer.additional]
    return unless(not any(sections), "a section is not empty")


def opcode(wanted):
    return lambda answer: unless((answer.flags >> 11) & 0xF == wanted, f"opcode {(answer.flags >> 11) & 0xF}")


def flag_present(flag):
    return lambda answer: unless(answer.flags & flag, f"flag {flag_text(flag)} is absent")


def flag_absent(flag):
    return lambda answer: unless(not answer.flags & flag, f"flag {flag_text(flag)} is present")


def opt_absent(answer):
    return unless(answer.edns < 0, "an OPT record is present")


def edns_version_0(answer):
    return unless(answer.edns == 0, "no OPT record of version 0 is present")


def option_absent(answer):
    present = any(option.otype == UNKNOWN_OPTION for option in answer.options)
    return unless(not present, f"option {UNKNOWN_OPTION} is repeated")


def edns_mbz_absent(answer):
    return unless(not answer.ednsflags & 0x7FFF, "an unassigned EDNS flag is repeated")


def do_if_signed(answer):
    signed = any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in answer.answer)
    return unless(not signed or answer.ednsflags & dns.flags.DO, "RRSIG without DO=1")


def unless(holds, complaint):
    return None if holds else complaint


def has_soa(answer):
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in answer.answer)


def text(answer):
    return dns.rcode.to_text(answer.rcode())


def flag_text(flag):
    return "mbz" if flag == Z else dns.flags.to_text(flag).lower()


NOERROR = status(dns.rcode.NOERROR)
AA, RD, AD = dns.flags.AA, dns.flags.RD, dns.flags.AD
NO_RD_AD_OPT = [flag_absent(RD), flag_absent(AD), opt_absent]
PLAIN = [NOERROR, soa_present, flag_present(AA)]
EDNS = [NOERROR, soa_present, edns_version_0, flag_present(AA), flag_absent(AD)]
BADVERS = [status(dns.rcode.BADVERS), soa_absent, edns_version_0, flag_absent(AA), flag_absent(AD)]


def query(rdtype="SOA", flags=0, **edns):
    """A query for the apex with exactly these header flags; EDNS only where something of it is given."""
    message = dns.message.make_query(f"{zone.APEX}.", rdtype, **edns)
    message.flags = flags
    return message.to_wire()


def large(**edns):
    message = dns.message.make_query(f"large.{zone.APEX}.", "TXT", **edns)
    message.flags = 0
    return message.to_wire()


def with_opcode(number, flags=0, question=b""):
    """A message of another opcode: a header, and a question only where one is given."""
    count = 1 if question else 0
    return struct.pack("!HHHHHH", 0x5A5A, number << 11 | flags, count, 0, 0, 0) + question


def edns(version=0, flags=0, options=(), payload=4096):
    """EDNS of any version, as arguments of `query`."""
    # The library refuses no version: it stands in the second byte of the extended flags.
    return {"use_edns": version, "ednsflags": flags, "payload": payload, "options": list(options)}


def notimp(number):
    """What an unknown opcode is answered with."""
    return [status(dns.rcode.NOTIMP), opcode(number), sections_empty, flag_absent(AA), *NO_RD_AD_OPT]


def basic():
    question = query()[12:]
    yield Case("8.1.1", "zone configured", query(), [*PLAIN, *NO_RD_AD_OPT], ("udp",))
    unknown = [NOERROR, answer_empty, flag_present(AA), *NO_RD_AD_OPT]
    yield Case("8.1.2", "unknown type", query(UNKNOWN_TYPE), unknown)
    yield Case("8.1.3.1", "CD=1", query(flags=dns.flags.CD), [*PLAIN, *NO_RD_AD_OPT])
    yield Case("8.1.3.2", "AD=1", query(flags=AD), [*PLAIN, flag_absent(RD), opt_absent])
    yield Case("8.1.3.3", "reserved bit", query(flags=Z), [*PLAIN, flag_absent(Z), *NO_RD_AD_OPT])
    yield Case(
        "8.1.3.4", "recursive query", query(flags=RD), [*PLAIN, flag_present(RD), flag_absent(AD), opt_absent]
    )
    for number in range(16):
        if number not in KNOWN_OPCODES:
            yield Case("8.1.4", f"unknown opcode {number}", with_opcode(number), notimp(number))
            asking = with_opcode(number, question=question)
            yield Case("8.1.4", f"unknown opcode {number}, with a question", asking, notimp(number))
            flagged = with_opcode(number, ALL_FLAGS)
            nothing_kept = [flag_absent(flag) for flag in (dns.flags.TC, dns.flags.RA, dns.flags.CD, Z)]
            expected = [*notimp(number), *nothing_kept]
            yield Case("3.1.4", f"unknown opcode {number}, all flags", flagged, expected)
    yield Case("8.1.5", "TCP", query(), [*PLAIN, *NO_RD_AD_OPT], ("tcp",))


def extended():
    option = dns.edns.GenericOption(UNKNOWN_OPTION, b"")
    yield Case("8.2.1", "minimal EDNS", query(**edns()), EDNS)
    yield Case("8.2.2", "EDNS version 1", query(**edns(1)), BADVERS)
    yield Case("8.2.2", "EDNS version 100", query(**edns(100)), BADVERS)
    yield Case("8.2.3", "unknown option", query(**edns(options=[option])), [*EDNS, option_absent])
    yield Case("8.2.4", "unknown EDNS flag", query(**edns(flags=EDNS_Z)), [*EDNS, edns_mbz_absent])
    yield Case("8.2.5", "version 1, unknown flag", query(**edns(1, EDNS_Z)), [*BADVERS, edns_mbz_absent])
    yield Case(
        "8.2.6", "version 1, unknown option", query(**edns(1, options=[option])), [*BADVERS, option_absent]
    )
    do_512 = edns(flags=dns.flags.DO, payload=512)
    yield Case("8.2.7", "truncated, as written", query("DNSKEY", **do_512), [NOERROR, edns_version_0])
    truncated = [NOERROR, flag_present(dns.flags.TC), edns_version_0]
    yield Case("8.2.7", "truncated", large(**do_512), truncated, ("udp",))
    yield Case(
        "8.2.7",
        "not truncated",
        large(**do_512),
        [NOERROR, flag_absent(dns.flags.TC), edns_version_0],
        ("tcp",),
    )
    yield Case("8.2.8", "DO=1", query(**edns(flags=dns.flags.DO)), [*EDNS, do_if_signed])
    defined = [
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
        dns.edns.GenericOption(9, b""),
        dns.edns.ECSOption("0.0.0.0", 0),
    ]
    yield Case("8.2.10", "defined options", query(**edns(options=defined)), EDNS)


def after_do(first):
    """8.2.9: DO=1 is expected with BADVERS where the answer to 8.2.8 had it."""
    had_do = bool(first.ednsflags & dns.flags.DO)

    def kept(answer):
        return unless(not had_do or answer.ednsflags & dns.flags.DO, "DO=1 of 8.2.8 is absent")

    return Case("8.2.9", "version 1, DO=1", query(**edns(1, dns.flags.DO)), [*BADVERS, kept])


def beyond():
    """What section 3 says beyond the list of section 8."""
    responders = AA | dns.flags.TC | dns.flags.RA
    yield Case("3.1.3", "AA, TC, RA set in a query", query(flags=responders), [*PLAIN, *NO_RD_AD_OPT])
    # RFC 4035 section 3.1.6: a response repeats it, whatever it means here.
    yield Case("3.1.3", "CD is repeated", query(flags=dns.flags.CD), [*PLAIN, flag_present(dns.flags.CD)])
    yield Case("3.2.7", "EDNS over TCP", query(**edns(payload=512)), EDNS, ("tcp",))
    known = [
        status_among(
            dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED, dns.rcode.NOTAUTH
        )
    ]
    for number in KNOWN_OPCODES[1:]:
        yield Case("3.1.4", f"opcode {number} is answered", with_opcode(number), [*known, opcode(number)])


def judge(server):
    """Every case at a server. Shape: one row per case and transport."""
    rows = []
    for case in [*basic(), *extended()]:
        rows.extend(rows_of(server, case))
    for transport in ask.TRANSPORTS:
        try:
            first = dns.message.from_wire(ask.over(transport, server, query(**edns(flags=dns.flags.DO))))
        except (ask.NoAnswer, dns.exception.DNSException):
            # The rows of 8.2.8 say so already.
            continue
        case = after_do(first)
        case.transports = (transport,)
        rows.extend(rows_of(server, case))
    for case in beyond():
        rows.extend(rows_of(server, case))
    return rows


def rows_of(server, case):
    return [
        Row("rfc8906", f"{case.section} {case.title}", transport, differences(server, case, transport))
        for transport in case.transports
    ]


def differences(server, case, transport):
    """What is wrong with the answer to a case."""
    try:
        wire = ask.over(transport, server, case.query)
        answer = dns.message.from_wire(wire)
    except ask.NoAnswer as error:
        return [str(error)]
    except dns.exception.DNSException as error:
        return [f"the response is malformed: {error}"]
    expected = [flag_present(dns.flags.QR), *case.expected]
    return [complaint for check in expected if (complaint := check(answer))]
