"""The zone that is judged: one list of records, written as a DnsZone for Koinon and as a zone file for the others.

It holds one of everything that RFC 1034 section 4.3.2 has a rule for: data of many types, empty non-terminals,
wildcards with and without something beside them, chains of aliases to every kind of end, and delegations with
glue below the cut, beside it, and none.
"""

import json

APEX = "judge.example"
SOA = {"refresh": 7200, "retry": 900, "expire": 1209600, "minimum": 60, "ttl": 3600}

# A name that Koinon answers from a GlobalRecord; the zone file says the same by a plain record.
GLOBAL = ("global", "192.0.2.80", 30)
# A GlobalRecord of two clusters: which of its addresses is answered is Koinon's choice, so it is in no zone file.
PAIR = ("pair", ("192.0.2.81", "192.0.2.82"), 30)

# A GlobalRecord of two clusters that weigh 90 and 10, answered for a second.
NINETY = ("ninety", ("192.0.2.90", "192.0.2.91"), 1)
NINETY_WEIGHTS = (90, 10)

# Longest that RFC 1035 section 2.3.4 allows for a label.
LONG_LABEL = "l" * 63
# Four labels that make the longest name there is: 255 bytes on the wire with the apex's 15.
LONG_NAME = ".".join(["m" * 63, "n" * 63, "o" * 63, "p" * 47])

CNAME_CHAIN = [(f"chain{link}", "CNAME", f"chain{link + 1}", 300 + link) for link in range(1, 4)]

# Owner, type, data, TTL. A last word without a dot is a name relative to the apex.
RECORDS = [
    ("@", "A", "192.0.2.10", 300),
    ("@", "AAAA", "2001:db8::10", 300),
    ("@", "MX", "10 mail", 600),
    ("@", "MX", "20 mail.example.net.", 600),
    ("@", "TXT", '"v=spf1 -all"', 300),
    ("@", "CAA", '0 issue "ca.example.net"', 300),
    ("www", "A", "192.0.2.11", 300),
    ("www", "A", "192.0.2.12", 300),
    ("www", "A", "192.0.2.13", 300),
    ("www", "AAAA", "2001:db8::11", 120),
    ("www", "TXT", '"two" "strings"', 0),
    ("mail", "A", "192.0.2.20", 300),
    ("sip", "AAAA", "2001:db8::20", 300),
    ("_sip._tcp", "SRV", "10 5 5060 sip", 300),
    (LONG_LABEL, "A", "192.0.2.21", 300),
    (LONG_NAME, "A", "192.0.2.22", 300),
    # Empty non-terminals: nonterminal, empty.nonterminal, and _tcp above.
    ("deep.empty.nonterminal", "TXT", '"below"', 300),
    # Wildcards. What exists below stops them, an empty non-terminal too.
    ("*.wild", "A", "192.0.2.30", 300),
    ("*.wild", "TXT", '"synthesised"', 300),
    ("exists.wild", "MX", "10 mail", 300),
    ("leaf.ent.wild", "A", "192.0.2.31", 300),
    ("*.alias", "CNAME", "www", 300),
    ("*.more.wild", "AAAA", "2001:db8::30", 300),
    # Aliases, to every kind of end.
    ("alias1", "CNAME", "www", 300),
    *CNAME_CHAIN,
    ("chain4", "CNAME", "www", 300),
    ("loop1", "CNAME", "loop2", 300),
    ("loop2", "CNAME", "loop1", 300),
    ("loop-self", "CNAME", "loop-self", 300),
    ("to-missing", "CNAME", "nowhere", 300),
    ("to-outside", "CNAME", "www.example.org.", 300),
    ("to-wild", "CNAME", "any.wild.judge.example.", 300),
    ("to-ent", "CNAME", "nonterminal", 300),
    ("to-cut", "CNAME", "child", 300),
    ("to-below-cut", "CNAME", "host.child.judge.example.", 300),
    ("to-alias-wild", "CNAME", "any.alias.judge.example.", 300),
    ("to-global", "CNAME", "global", 300),
    # Delegations: with glue, with the glue of a sibling, with none, and below an empty non-terminal.
    ("child", "NS", "ns1.child.judge.example.", 900),
    ("child", "NS", "ns2.child.judge.example.", 900),
    ("child", "NS", "ns.example.org.", 900),
    ("ns1.child", "A", "192.0.2.40", 900),
    ("ns1.child", "AAAA", "2001:db8::40", 900),
    ("ns2.child", "A", "192.0.2.41", 900),
    ("host.child", "A", "192.0.2.42", 900),
    ("sibling", "NS", "ns1.child.judge.example.", 900),
    ("unglued", "NS", "ns.example.org.", 900),
    ("cut.below", "NS", "ns.cut.below.judge.example.", 900),
    ("ns.cut.below", "A", "192.0.2.43", 900),
    ("parent-served", "NS", "ns1", 900),
    ("signed", "NS", "ns.example.org.", 900),
    ("signed", "DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", 900),
    ("to-signed", "CNAME", "signed", 300),
    # Redirected subtrees: onto the wildcards, onto a cut, and away; with data at the owner, and reached by an alias.
    ("renamed", "DNAME", "wild", 450),
    ("renamed", "TXT", '"stays"', 300),
    ("into-cut", "DNAME", "child", 450),
    ("away", "DNAME", "example.org.", 300),
    ("to-renamed", "CNAME", "a.renamed.judge.example.", 300),
    # Data of the other types.
    ("@", "HTTPS", '1 . alpn="h2,h3" ipv4hint=192.0.2.10', 300),
    ("svc", "SVCB", "1 www.judge.example. port=8443", 300),
    ("svc", "SVCB", "2 svc.example.net. key65400=x", 300),
    ("_443._tcp.www", "TLSA", f"3 1 1 {'0d' * 32}", 300),
    ("host-keys", "SSHFP", f"4 2 {'5e' * 32}", 300),
    ("enum", "NAPTR", '100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .', 300),
    ("pointer", "PTR", "www", 300),
    ("info", "HINFO", '"PC" "Linux"', 300),
    ("opaque", "TYPE65280", "\\# 3 010203", 300),
    # A delegation whose glue fits no datagram of 512 bytes.
    *[("wide", "NS", f"ns{number}.wide.judge.example.", 900) for number in range(10, 18)],
    *[(f"ns{number}.wide", "A", f"192.0.2.{100 + number}", 900) for number in range(10, 18)],
    *[(f"ns{number}.wide", "AAAA", f"2001:db8::{number}", 900) for number in range(10, 18)],
    # More than 512 bytes, and more than 1232.
    *[("medium", "A", f"198.51.100.{number}", 300) for number in range(1, 46)],
    *[("large", "TXT", f'"{number:02} {"x" * 90}"', 300) for number in range(24)],
]


def absolute(name):
    """A name of the list in full, with the final dot."""
    if name == "@":
        return f"{APEX}."
    return name if name.endswith(".") else f"{name}.{APEX}."


def data_of(kind, data):
    """Record data whose last word, where it is a name, is in full."""
    if kind not in ("CNAME", "DNAME", "MX", "NS", "PTR", "SRV"):
        return data
    *numbers, name = data.split()
    return " ".join([*numbers, absolute(name)])


def as_static():
    """The records as `spec.records` of a DnsZone."""
    return [
        {
            "name": "@" if name == "@" else absolute(name),
            "type": kind,
            "data": data_of(kind, data),
            "ttlSeconds": ttl,
        }
        for name, kind, data, ttl in RECORDS
    ]


def soa():
    """The SOA as `spec.soa` of a DnsZone."""
    return {
        "mname": f"ns1.{APEX}",
        "rname": f"hostmaster.{APEX}",
        "refreshSeconds": SOA["refresh"],
        "retrySeconds": SOA["retry"],
        "expireSeconds": SOA["expire"],
        "negativeTtlSeconds": SOA["minimum"],
        "ttlSeconds": SOA["ttl"],
    }


def manifests(addresses):
    """The zone and its global names, for `kubectl apply`; `addresses` are those of ns1, ns2 and so on."""
    zone = {
        "apiVersion": "koinon.io/v1alpha1",
        "kind": "DnsZone",
        "metadata": {"name": APEX},
        "spec": {
            "soa": soa(),
            "nameServers": [
                {"name": f"ns{number}.{APEX}", "addresses": [address]}
                for number, address in enumerate(addresses, start=1)
            ],
            "records": as_static(),
        },
    }
    ninety = global_record(*NINETY)
    weights = {f"cluster-{number}": weight for number, weight in enumerate(NINETY_WEIGHTS)}
    ninety["spec"]["routing"] = [{"weighted": {"from": "Static", "weights": weights}}]
    records = [global_record(GLOBAL[0], [GLOBAL[1]], GLOBAL[2]), global_record(*PAIR), ninety]
    return "\n---\n".join(json.dumps(item) for item in [zone, *records])


def global_record(name, addresses, ttl):
    return {
        "apiVersion": "koinon.io/v1alpha1",
        "kind": "GlobalRecord",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "host": f"{name}.{APEX}",
            "endpoints": {
                "addresses": [
                    {"cluster": f"cluster-{number}", "ips": [address]}
                    for number, address in enumerate(addresses)
                ]
            },
            "ttlSeconds": {"stable": ttl, "unstable": ttl},
        },
    }


def zone_file(addresses, serial):
    """The zone in master-file notation (RFC 1035 section 5), all names in full."""
    soa = f"{serial} {SOA['refresh']} {SOA['retry']} {SOA['expire']} {SOA['minimum']}"
    lines = [f"{APEX}. {SOA['ttl']} IN SOA ns1.{APEX}. hostmaster.{APEX}. {soa}"]
    for number, address in enumerate(addresses, start=1):
        lines.append(f"{APEX}. {SOA['ttl']} IN NS ns{number}.{APEX}.")
        lines.append(f"ns{number}.{APEX}. {SOA['ttl']} IN A {address}")
    for name, kind, data, ttl in [*RECORDS, (GLOBAL[0], "A", GLOBAL[1], GLOBAL[2])]:
        lines.append(f"{absolute(name)} {ttl} IN {kind} {data_of(kind, data)}")
    return "\n".join(lines) + "\n"
