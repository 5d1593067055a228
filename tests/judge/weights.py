"""Whether weights survive real resolvers: a 90/10 name behind Unbound and BIND.

A resolver keeps one answer for its TTL and gives it to everybody. So what its clients see are the shares of its refills,
and those have to come near the weights in few of them.
"""

import json
import os
import socket
import subprocess
import time

import dns.exception
import dns.message
import dns.query

from . import zone
from .rows import Row
from .servers import PORT, Process

NAME, (HEAVY, LIGHT), TTL = zone.NINETY
WANTED = 90.0

LOOPBACK = "127.0.0.1"

# Refills of each resolver; one takes the name's TTL of a second and the time to the next question.
REFILLS = 120
# Between two questions to one resolver: short against the TTL, so that a refill follows at once.
POLL_SECONDS = 0.05
# What may be off. Units: percentage points.
POINTS_MAX = 1.0


def judge(folder, koinon, program):
    """Starts the resolvers, asks them for as long as the refills take. Shape: one row per resolver, and one for what the server
    says of itself."""
    resolvers = {}
    before = counted(folder, program)
    try:
        for name, start in (("unbound", start_unbound), ("bind", start_bind)):
            port = free_port()
            process = start(folder, koinon, port)
            resolvers[name] = (process, port)
            process.until(f"{name} answers", lambda port=port: first(port) in (HEAVY, LIGHT))
        seen = watch({name: port for name, (_, port) in resolvers.items()})
    finally:
        for process, _ in resolvers.values():
            process.stop()
    now = counted(folder, program)
    own = {address: count - before.get(address, 0) for address, count in now.items()}
    return [*(row(name, refills) for name, refills in seen.items()), own_row(own, seen)]


def counted(folder, program):
    """How often the server says that it answered each address; of a name that nobody asked for yet it says nothing."""
    config = os.path.join(folder, "data", "admin.kubeconfig")
    command = [program, "resolve", f"{NAME}.{zone.APEX}", "--output", "json", "--kubeconfig", config]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    endpoints = json.loads(done.stdout)["endpoints"]
    return {item["address"]: item["share"]["answersCount"] for item in endpoints if "share" in item}


def own_row(own, seen):
    """The server's own figure for the time of the test beside what the resolvers were given."""
    n_own, n_seen = sum(own.values()), sum(len(refills) for refills in seen.values())
    share = 100.0 * own.get(HEAVY, 0) / max(n_own, 1)
    given = 100.0 * sum(refills.count(HEAVY) for refills in seen.values()) / n_seen
    differed = []
    if abs(share - given) > POINTS_MAX or abs(share - WANTED) > POINTS_MAX:
        differed = [f"{share:.1f} % of {n_own} answers by its own count, where resolvers were given {given:.1f} %"]
    # A resolver that counts in whole seconds keeps an answer for up to twice the TTL, and gives it in two of our turns.
    if n_own < n_seen / 2:
        differed.append(f"{n_own} answers counted, where resolvers were given {n_seen}")
    notes = [f"{share:.1f} % of {n_own} answers by its own count, {given:.1f} % of {n_seen} refills"]
    return Row("weights", "by the server's own count", "udp", differed, notes)


def free_port():
    """A port of 127.0.0.1, the only address of loopback that BIND finds, free for UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind((LOOPBACK, 0))
        udp.bind((LOOPBACK, tcp.getsockname()[1]))
        return tcp.getsockname()[1]


def watch(ports):
    """The address of each refill, by resolver: the next one is due when the TTL of a second is over."""
    seen = {name: [] for name in ports}
    until = {name: 0.0 for name in ports}
    while any(len(refills) < REFILLS for refills in seen.values()):
        for name, port in ports.items():
            now = time.monotonic()
            if now >= until[name] and (said := first(port)) is not None:
                seen[name].append(said)
                # The answer is kept for its TTL, counted in whole seconds by the one and not by the other.
                until[name] = now + TTL
        time.sleep(POLL_SECONDS)
    return seen


def row(name, refills):
    share = 100.0 * refills.count(HEAVY) / len(refills)
    strangers = sorted(set(refills) - {HEAVY, LIGHT})
    differed = [f"{share:.1f} % of {len(refills)} refills, not {WANTED:.0f} %"]
    if abs(share - WANTED) <= POINTS_MAX:
        differed = []
    differed.extend(f"an address of nobody: {stranger}" for stranger in strangers)
    notes = [f"{share:.1f} % of {len(refills)} refills for a weight of {WANTED:.0f} %"]
    return Row("weights", f"behind {name}", "udp", differed, notes)


def first(port):
    """The address that a resolver gives; none when it gives none in time."""
    query = dns.message.make_query(f"{NAME}.{zone.APEX}.", "A")
    try:
        answer = dns.query.udp(query, LOOPBACK, timeout=2, port=port)
    except (dns.exception.Timeout, OSError):
        return None
    return next((item.address for rrset in answer.answer for item in rrset), None)


def start_unbound(folder, koinon, port):
    config = os.path.join(folder, "unbound.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""server:
  interface: {LOOPBACK}
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "iterator"
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  num-threads: 1
remote-control:
  control-enable: no
stub-zone:
  name: "{zone.APEX}"
  stub-addr: {koinon}@{PORT}
"""
        )
    return Process("unbound", ["unbound", "-d", "-c", config], os.path.join(folder, "unbound.log"))


def start_bind(folder, koinon, port):
    config = os.path.join(folder, "named.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""options {{
  directory "{folder}";
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/named.key";
  listen-on port {port} {{ {LOOPBACK}; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  allow-query {{ any; }};
  dnssec-validation no;
}};
controls {{ }};
zone "{zone.APEX}" {{ type static-stub; server-addresses {{ {koinon}; }}; }};
"""
        )
    return Process("bind", ["named", "-g", "-n", "1", "-c", config], os.path.join(folder, "named.log"))
