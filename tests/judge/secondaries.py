"""NSD, Knot and BIND as secondaries of Koinon: what they need to know to copy zones, with a key of each algorithm.

BIND finds 127.0.0.1 alone, so the three listen on ports of that address; Koinon is where it always is.
"""

import base64
import json
import os
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from .servers import PORT, Process
from .weights import LOOPBACK, free_port

NAMESPACE = "default"


@dataclass
class Key:
    """A TSIG key, and how the programs write it."""

    name: str
    algorithm: str
    bytes: bytes

    @property
    def secret(self):
        return base64.b64encode(self.bytes).decode("ascii")

    @property
    def for_dig(self):
        return f"{self.algorithm}:{self.name}:{self.secret}"

    def manifest(self):
        data = {"algorithm": self.algorithm, "name": self.name, "secret": self.secret}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self.name.partition(".")[0], "namespace": NAMESPACE},
                "type": "koinon.io/tsig",
                "stringData": data,
            }
        )

    def reference(self):
        return {"namespace": NAMESPACE, "name": self.name.partition(".")[0]}


@dataclass
class Secondary:
    """A server that copies zones: where it listens, and the key that it asks with and is told with."""

    name: str
    key: Key
    port: int
    process: Process | None = None

    @property
    def server(self):
        return (LOOPBACK, self.port)

    def serial(self, apex):
        """The serial of a zone here; none while it is not served."""
        query = dns.message.make_query(f"{apex}.", "SOA")
        try:
            answer = dns.query.udp(query, LOOPBACK, timeout=2, port=self.port)
        except (dns.exception.Timeout, OSError):
            return None
        sets = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA]
        return sets[0][0].serial if sets else None

    def stop(self):
        if self.process is not None:
            self.process.stop()


def all_three():
    """The secondaries, not yet started."""
    keys = {
        "nsd": Key("nsd.judge.example", "hmac-sha256", bytes(range(32))),
        "knot": Key("knot.judge.example", "hmac-sha512", bytes(range(64))),
        "bind": Key("bind.judge.example", "hmac-sha384", bytes(range(48))),
    }
    return [Secondary(name, key, free_port()) for name, key in keys.items()]


def transfer(secondaries):
    """`spec.transfer` of a zone that they all copy and are told of."""
    return {
        "allow": [{"keyRef": secondary.key.reference()} for secondary in secondaries],
        "notify": [
            {"address": LOOPBACK, "port": secondary.port, "keyRef": secondary.key.reference()}
            for secondary in secondaries
        ],
    }


def start(secondary, folder, koinon, apexes, catalog):
    """Starts a secondary of these zones, and of those that a catalog lists; Debian's NSD is too old for catalogs."""
    folder = os.path.join(folder, f"secondary-{secondary.name}")
    os.makedirs(folder)
    starting = {"nsd": start_nsd, "knot": start_knot, "bind": start_bind}[secondary.name]
    secondary.process = starting(secondary, folder, koinon, apexes, catalog)


def start_nsd(secondary, folder, koinon, apexes, _):
    key = secondary.key
    zones = "".join(
        f"""zone:
  name: {apex}
  zonefile: "{folder}/{apex}.zone"
  allow-notify: {koinon} {key.name}
  request-xfr: {koinon}@{PORT} {key.name}
  provide-xfr: {LOOPBACK} {key.name}
"""
        for apex in apexes
    )
    config = os.path.join(folder, "nsd.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""server:
  ip-address: {LOOPBACK}@{secondary.port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/nsd.list"
  database: ""
  server-count: 1
  verbosity: 2
  minimal-responses: yes
  refuse-any: no
  rrl-ratelimit: 0
  ipv4-edns-size: 1232
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
key:
  name: {key.name}
  algorithm: {key.algorithm}
  secret: "{key.secret}"
{zones}"""
        )
    return Process("nsd", ["nsd", "-d", "-c", config], os.path.join(folder, "log"))


def start_knot(secondary, folder, koinon, apexes, catalog):
    key = secondary.key
    zones = "".join(
        f"""  - domain: {apex}
    master: koinon
    acl: [notify, transfer]
"""
        for apex in apexes
    )
    config = os.path.join(folder, "knot.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""server:
  rundir: "{folder}"
  listen: {LOOPBACK}@{secondary.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
database:
  storage: "{folder}"
log:
  - target: stderr
    any: info
key:
  - id: {key.name}
    algorithm: {key.algorithm}
    secret: {key.secret}
remote:
  - id: koinon
    address: {koinon}@{PORT}
    key: {key.name}
acl:
  - id: notify
    address: {koinon}
    key: {key.name}
    action: notify
  - id: transfer
    address: {LOOPBACK}
    key: {key.name}
    action: transfer
template:
  - id: default
    storage: "{folder}"
  - id: member
    storage: "{folder}"
    master: koinon
    acl: [notify, transfer]
zone:
{zones}  - domain: {catalog}
    master: koinon
    acl: [notify, transfer]
    catalog-role: interpret
    catalog-template: member
"""
        )
    return Process("knot", ["knotd", "-c", config], os.path.join(folder, "log"))


def start_bind(secondary, folder, koinon, apexes, catalog):
    key = secondary.key
    zones = "".join(
        f"""zone "{apex}" {{
  type secondary;
  primaries {{ {koinon} port {PORT}; }};
  file "{folder}/{apex}.zone";
  masterfile-format text;
}};
"""
        for apex in (*apexes, catalog)
    )
    config = os.path.join(folder, "named.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};
server {koinon} {{ keys {{ {key.name}; }}; }};
options {{
  directory "{folder}";
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/named.key";
  listen-on port {secondary.port} {{ {LOOPBACK}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  allow-query {{ any; }};
  allow-transfer {{ key {key.name}; }};
  notify no;
  minimal-responses yes;
  catalog-zones {{
    zone "{catalog}" default-primaries {{ {koinon} port {PORT} key {key.name}; }} in-memory yes min-update-interval 1;
  }};
}};
controls {{ }};
{zones}"""
        )
    return Process("bind", ["named", "-g", "-n", "1", "-c", config], os.path.join(folder, "log"))
