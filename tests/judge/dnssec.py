"""The same zone, signed: what BIND's validator and ldns make of it.

`delv` gets the zone's keys as its only trust anchor and validates one answer of every kind; whatever it is not given a proof of is
not "fully validated". `ldns-verify-zone` checks the zone as a secondary gets it, and that every NSEC record says exactly
what is there.
"""

import json
import os
import subprocess

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.zone

from . import clients, zone
from .rows import Row

SECONDS_MAX = 120

VALID = "; fully validated"
NEGATIVE = "; negative response, fully validated"

CASES = (
    ("positive", "www", "A", VALID),
    ("the apex", "@", "SOA", VALID),
    ("the keys", "@", "DNSKEY", VALID),
    ("NSEC by its type", "www", "NSEC", VALID),
    ("wildcard", "any.wild", "A", VALID),
    ("wildcard, two labels", "any.thing.wild", "A", VALID),
    ("wildcard itself", "*.wild", "TXT", VALID),
    ("wildcard, NODATA", "any.wild", "MX", NEGATIVE),
    ("wildcard stopped by a name", "any.exists.wild", "A", NEGATIVE),
    ("wildcard alias", "any.alias", "A", VALID),
    ("aliases", "chain1", "A", VALID),
    ("aliases, NODATA", "chain1", "MX", VALID),
    ("alias to nothing", "to-missing", "A", VALID),
    ("alias into a wildcard", "to-wild", "A", VALID),
    ("redirected", "any.renamed", "A", VALID),
    ("NODATA", "www", "MX", NEGATIVE),
    ("NXDOMAIN", "nowhere", "A", NEGATIVE),
    ("NXDOMAIN below a leaf", "below.www", "A", NEGATIVE),
    ("empty non-terminal", "nonterminal", "TXT", NEGATIVE),
    ("delegation without DS", "child", "DS", NEGATIVE),
    ("delegation with DS", "signed", "DS", VALID),
    ("more than a datagram", "large", "TXT", VALID),
    ("a global name", "global", "A", VALID),
    ("a global name, NODATA", "global", "AAAA", NEGATIVE),
    ("a global name of two clusters", "pair", "A", VALID),
)


def sign(kubectl, folder, koinon, until):
    """Has the zone signed and lets this machine copy it; waits until its keys are answered. Gives back the anchors' file."""
    spec = {"dnssec": {}, "transfer": {"allow": [{"cidr": "127.0.0.0/8"}]}}
    config = os.path.join(folder, "data", "admin.kubeconfig")
    patch = ["patch", "dnszone", zone.APEX, "--type", "merge", "-p", json.dumps({"spec": spec})]
    command = [kubectl, "--kubeconfig", config, *patch]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    keys = until("koinon answers the zone's keys", lambda: keys_of(koinon))
    path = os.path.join(folder, "anchors")
    with open(path, "w", encoding="ascii") as text:
        for key in keys:
            flags, protocol, algorithm, *public = key.to_text().split()
            text.write(f'trust-anchors {{ {zone.APEX}. static-key {flags} {protocol} {algorithm} "{"".join(public)}"; }};\n')
    return path


def keys_of(server):
    query = dns.message.make_query(f"{zone.APEX}.", "DNSKEY")
    try:
        answer = dns.query.tcp(query, server[0], port=server[1], timeout=SECONDS_MAX)
    except (OSError, dns.exception.DNSException):
        return []
    return [key for rrset in answer.answer if rrset.rdtype == dns.rdatatype.DNSKEY for key in rrset]


def judge(server, folder, anchors):
    """Every case, and the zone as a whole. Shape: one row per case."""
    rows = []
    for case, name, kind, wanted in CASES:
        command = ["delv", f"@{server[0]}", "-p", str(server[1]), "-a", anchors, f"+root={zone.APEX}"]
        said = clients.run([*command, "-t", kind, "-q", zone.absolute(name)])
        is_ok = any(line == wanted for line in said.splitlines())
        rows.append(Row("dnssec delv", case, "udp", [] if is_ok else [f"not {wanted!r}", said]))
    rows.append(Row("dnssec ldns-verify-zone", "the zone as it is copied", "tcp", verify(server, folder)))
    return rows


def verify(server, folder):
    copied = dns.zone.from_xfr(dns.query.xfr(server[0], zone.APEX, port=server[1], relativize=False), relativize=False)
    path = os.path.join(folder, "copied.zone")
    copied.to_file(path, relativize=False)
    done = subprocess.run(["ldns-verify-zone", path], capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]
