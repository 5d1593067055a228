"""The same zone, signed: what BIND's validator, DNSViz and ldns make of it.

`delv` gets the zone's keys as its only trust anchor and validates one answer of every kind; whatever it is not given a proof of is
not "fully validated". DNSViz asks for the same kinds in every way that resolvers do, and marks whatever it finds wrong. `ldns-verify-zone`
checks the zone as a secondary gets it, and that every NSEC record says exactly what is there.

Two zones below it are served here too: one that is signed, with its DS in the zone above, and one that is not.
"""

import json
import os
import re
import subprocess

import dns.dnssec
import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.zone

from . import clients, zone
from .rows import Row

SECONDS_MAX = 120

# Zones below, delegated by the zone above.
SECURED = f"secured.{zone.APEX}"
UNSIGNED = f"parent-served.{zone.APEX}"

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
    ("DS of a zone below", "secured", "DS", VALID),
    ("a zone below", "www.secured", "A", VALID),
    ("a zone below, NXDOMAIN", "nowhere.secured", "A", NEGATIVE),
    ("no DS of a zone below", "parent-served", "DS", NEGATIVE),
    ("an unsigned zone below", "www.parent-served", "A", "; unsigned answer"),
)

# What DNSViz says of what it trusts, and of what a proven delegation without DS leads to.
SECURE, INSECURE = "secure", "insecure"
DNSVIZ_MARKS = {SECURE: ".", INSECURE: "-"}
DNSVIZ_NAMES = (
    ("the apex", "@", SECURE),
    ("positive", "www", SECURE),
    ("wildcard", "any.wild", SECURE),
    ("wildcard stopped by a name", "any.exists.wild", SECURE),
    ("wildcard alias", "any.alias", SECURE),
    ("aliases", "chain1", SECURE),
    ("alias to nothing", "to-missing", SECURE),
    ("alias into a wildcard", "to-wild", SECURE),
    ("redirected", "any.renamed", SECURE),
    ("NXDOMAIN", "nowhere", SECURE),
    ("NXDOMAIN below a leaf", "below.www", SECURE),
    ("empty non-terminal", "nonterminal", SECURE),
    ("more than a datagram", "large", SECURE),
    ("a global name", "global", SECURE),
    ("a global name of two clusters", "pair", SECURE),
    ("a name with weights", "ninety", SECURE),
    ("a zone below", "www.secured", SECURE),
    ("an unsigned zone below", "www.parent-served", INSECURE),
)
# One answer that exists nearly everywhere, one that exists at few, and one that no datagram holds.
DNSVIZ_TYPES = "A,MX,TXT"


def sign(kubectl, folder, koinon, until):
    """Has the zone signed and lets this machine copy it, and makes the zones below; waits until all of it is answered. Gives back the
    files of the anchors for delv and for DNSViz."""
    host = Host(kubectl, folder)
    host.patch("merge", {"spec": {"dnssec": {}, "transfer": {"allow": [{"cidr": "127.0.0.0/8"}]}}})
    for apex, signing in ((SECURED, {"dnssec": {}}), (UNSIGNED, {})):
        host.run(["apply", "-f", "-"], json.dumps(below(apex, signing)))
    keys = until("koinon answers the zone's keys", lambda: keys_of(koinon, zone.APEX))
    lower = until(f"koinon answers the keys of {SECURED}", lambda: keys_of(koinon, SECURED))
    digests = [dns.dnssec.make_ds(SECURED + ".", key, "SHA256").to_text() for key in lower]
    added = [("NS", f"ns1.{zone.APEX}."), *(("DS", digest) for digest in digests)]
    records = [{"name": f"{SECURED}.", "type": kind, "data": data, "ttlSeconds": 900} for kind, data in added]
    host.patch("json", [{"op": "add", "path": "/spec/records/-", "value": record} for record in records])
    until("koinon answers the DS", lambda: answered(koinon, SECURED, "DS"))
    return anchors_of(keys, folder)


class Host:
    """The host's API, by kubectl."""

    def __init__(self, kubectl, folder):
        self.command = [kubectl, "--kubeconfig", os.path.join(folder, "data", "admin.kubeconfig")]

    def run(self, arguments, text=None):
        subprocess.run([*self.command, *arguments], input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def patch(self, kind, patch):
        self.run(["patch", "dnszone", zone.APEX, "--type", kind, "-p", json.dumps(patch)])


def below(apex, signing):
    """A zone with a name in it, served where the zone above is; `signing` goes into its spec."""
    record = {"name": f"www.{apex}.", "type": "A", "data": "192.0.2.50", "ttlSeconds": 300}
    servers = [{"name": f"ns1.{zone.APEX}"}]
    return {
        "apiVersion": "koinon.io/v1alpha1",
        "kind": "DnsZone",
        "metadata": {"name": apex},
        "spec": {"soa": zone.soa(), "nameServers": servers, "records": [record], **signing},
    }


def anchors_of(keys, folder):
    paths = [os.path.join(folder, name) for name in ("anchors", "trusted.keys")]
    with open(paths[0], "w", encoding="ascii") as delv, open(paths[1], "w", encoding="ascii") as dnsviz:
        for key in keys:
            flags, protocol, algorithm, *public = key.to_text().split()
            delv.write(
                f'trust-anchors {{ {zone.APEX}. static-key {flags} {protocol} {algorithm} "{"".join(public)}"; }};\n'
            )
            dnsviz.write(f"{zone.APEX}. 3600 IN DNSKEY {key.to_text()}\n")
    return paths


def keys_of(server, apex):
    return [key for key in answered(server, apex, "DNSKEY") if key.rdtype == dns.rdatatype.DNSKEY]


def answered(server, name, kind):
    """The data that a server answers of a type; none when it answers none."""
    query = dns.message.make_query(f"{name}.", kind)
    try:
        answer = dns.query.tcp(query, server[0], port=server[1], timeout=SECONDS_MAX)
    except (OSError, dns.exception.DNSException):
        return []
    return [item for rrset in answer.answer for item in rrset]


def judge(server, folder, anchors):
    """Every case, and the zone as a whole. Shape: one row per case."""
    rows = []
    delv_anchors, dnsviz_anchors = anchors
    for case, name, kind, wanted in CASES:
        command = ["delv", f"@{server[0]}", "-p", str(server[1]), "-a", delv_anchors, f"+root={zone.APEX}"]
        said = clients.run([*command, "-t", kind, "-q", zone.absolute(name)])
        is_ok = any(line == wanted for line in said.splitlines())
        rows.append(Row("dnssec delv", case, "udp", [] if is_ok else [f"not {wanted!r}", said]))
    rows.extend(dnsviz(server[0], folder, dnsviz_anchors))
    rows.append(Row("dnssec ldns-verify-zone", "the zone as it is copied", "tcp", verify(server, folder)))
    return rows


def dnsviz(address, folder, anchors):
    """Everything that DNSViz asks about the names of its list, which takes half a minute. Shape: one row per name."""
    names = [zone.absolute(name).rstrip(".") for _, name, _ in DNSVIZ_NAMES]
    servers = [f"{zone.APEX}+", SECURED, UNSIGNED]
    told = [part for apex in servers for part in ("-x", f"{apex}:ns1.{zone.APEX}={address}")]
    found = os.path.join(folder, "dnsviz.json")
    probe = ["dnsviz", "probe", "-d", "0", "-A", *told, "-R", DNSVIZ_TYPES, "-o", found, *names]
    probed = subprocess.run(probe, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    if probed.returncode != 0:
        return [Row("dnssec dnsviz", "all names", "udp", [probed.stdout + probed.stderr])]
    said = clients.run(["dnsviz", "print", "-t", anchors, "-r", found])
    of = paragraphs(said)
    return [
        Row("dnssec dnsviz", case, "udp", complain(of.get(name, []), standing, said))
        for (case, _, standing), name in zip(DNSVIZ_NAMES, names)
    ]


def paragraphs(said):
    """What DNSViz prints, by name: a line that is not indented begins a name."""
    of, lines = {}, []
    for line in said.splitlines():
        if line[:1] not in ("", " "):
            lines = of.setdefault(line.split()[0], [])
        lines.append(line)
    return of


def complain(lines, standing, said):
    """What of a name does not stand as it should: each mark in brackets says how something stands, and an error ends its line."""
    if not any(line.startswith("  [") for line in lines):
        return ["nothing is said of it", said]
    wrong = [line for line in lines if set(re.findall(r"\[(.)\]", line)) - {DNSVIZ_MARKS[standing], "."}]
    return wrong + [line for line in lines if line.lstrip().startswith(("E:", "W:"))]


def verify(server, folder):
    copied = dns.zone.from_xfr(dns.query.xfr(server[0], zone.APEX, port=server[1], relativize=False), relativize=False)
    path = os.path.join(folder, "copied.zone")
    copied.to_file(path, relativize=False)
    done = subprocess.run(["ldns-verify-zone", path], capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]
