"""The servers of a run: Koinon as its users run it, NSD and Knot with the same zone from a file.

All listen on port 53 of loopback addresses that no other run has: tools that follow a delegation can ask no other
port. Nothing is waited for by guessing: each wait is for a condition, with a deadline.
"""

import os
import signal
import socket
import subprocess
import time

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from . import ask, zone

PORT = 53
API_PORT = 6443
# The port whose listener claims three addresses for a run; nothing connects to it.
CLAIM_PORT = 6998
# Two busy cores and a debug build.
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
POLL_SECONDS = 0.05


class Failed(Exception):
    """A server did not do what a run needs."""


class Addresses:
    """Three loopback addresses of one's own: 127.83.N.1 for Koinon, .2 and .3 for the others."""

    def __init__(self):
        for number in range(256):
            claim = socket.socket()
            try:
                claim.bind((f"127.83.{number}.1", CLAIM_PORT))
            except OSError:
                claim.close()
                continue
            self.claim = claim
            self.koinon, self.nsd, self.knot = (f"127.83.{number}.{last}" for last in (1, 2, 3))
            return
        raise Failed("to claim loopback addresses: all of 127.83.0.0/16 are taken")


def require_port():
    """Fails with what to do when port 53 is not ours to bind."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.83.255.254", PORT))
        except PermissionError as error:
            accepted = "run as root, or set the sysctl net.ipv4.ip_unprivileged_port_start to 53"
            raise Failed(f"to bind port {PORT} on loopback: {accepted}") from error


class Process:
    """A program that ends with the run."""

    def __init__(self, name, command, log):
        self.name = name
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )

    def until(self, what, holds):
        """Waits until `holds` answers something true, and answers it."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            if self.child.poll() is not None:
                raise Failed(f"to run {self.name}: it ended with {self.child.returncode}\n{self.said()}")
            if outcome := holds():
                return outcome
            if time.monotonic() > deadline:
                raise Failed(f"to see that {what} within {START_SECONDS_MAX} s\n{self.said()}")
            time.sleep(POLL_SECONDS)

    def said(self):
        """The end of what it logged."""
        return self.said_in_all()[-4000:]

    def said_in_all(self):
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return text.read()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def data_folder(folder):
    return os.path.join(folder, "data")


def kubeconfig(folder):
    """How the administrator reaches the host of a run."""
    return os.path.join(data_folder(folder), "admin.kubeconfig")


def start_koinon(program, kubectl, folder, addresses, options):
    """A host that serves the zone of `zone.py`, its names settled."""
    api, server = f"{addresses.koinon}:{API_PORT}", (addresses.koinon, PORT)
    data = data_folder(folder)
    command = [
        program,
        "server",
        "--data-dir",
        data,
        "--listen",
        api,
        "--dns-listen",
        f"{addresses.koinon}:{PORT}",
        *options,
    ]
    process = Process("koinon", command, os.path.join(folder, "koinon.log"))
    try:
        process.until("koinon says that it is ready", lambda: "ready" in process.said())
        apply = [kubectl, "--kubeconfig", kubeconfig(folder), "apply", "-f", "-"]
        manifests = zone.manifests([addresses.koinon, addresses.nsd])
        subprocess.run(apply, input=manifests, text=True, check=True, stdout=subprocess.DEVNULL)
        names = [zone.GLOBAL[0], zone.PAIR[0], zone.NINETY[0], zone.RECORDS[-1][0]]
        process.until("koinon serves the zone", lambda: all(exists(server, name) for name in names))
    except (Failed, subprocess.CalledProcessError):
        process.stop()
        raise
    return process


def start_nsd(folder, addresses, serial):
    """NSD with the zone from a file."""
    zone_path = write_zone(folder, addresses, serial)
    config = os.path.join(folder, "nsd.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""server:
  ip-address: {addresses.nsd}@{PORT}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: ""
  zonelistfile: "{folder}/nsd.list"
  database: ""
  minimal-responses: yes
  refuse-any: no
  rrl-ratelimit: 0
  server-count: 1
  ipv4-edns-size: 1232
remote-control:
  control-enable: no
zone:
  name: {zone.APEX}
  zonefile: "{zone_path}"
"""
        )
    process = Process("nsd", ["nsd", "-d", "-c", config], os.path.join(folder, "nsd.log"))
    return serving(process, (addresses.nsd, PORT))


def start_knot(folder, addresses, serial):
    """Knot with the zone from a file."""
    zone_path = write_zone(folder, addresses, serial)
    config = os.path.join(folder, "knot.conf")
    with open(config, "w", encoding="ascii") as text:
        text.write(
            f"""server:
  rundir: "{folder}"
  listen: {addresses.knot}@{PORT}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}/knot"
log:
  - target: stderr
    any: info
zone:
  - domain: {zone.APEX}
    storage: "{folder}"
    file: "{os.path.basename(zone_path)}"
    zonefile-sync: -1
    journal-content: none
"""
        )
    process = Process("knot", ["knotd", "-c", config], os.path.join(folder, "knot.log"))
    return serving(process, (addresses.knot, PORT))


def write_zone(folder, addresses, serial):
    path = os.path.join(folder, f"{zone.APEX}.zone")
    with open(path, "w", encoding="ascii") as text:
        text.write(zone.zone_file([addresses.koinon, addresses.nsd], serial))
    return path


def serving(process, server):
    try:
        process.until(f"{process.name} serves the zone", lambda: serial_of(server) is not None)
    except Failed:
        process.stop()
        raise
    return process


def exists(server, name):
    """Whether a server answers NOERROR for a name of the zone."""
    query = dns.message.make_query(zone.absolute(name), "A")
    try:
        return dns.message.from_wire(ask.over("udp", server, query.to_wire())).rcode() == dns.rcode.NOERROR
    except ask.NoAnswer:
        return False


def serial_of(server, apex=zone.APEX):
    """The serial of a zone at a server, if that serves it."""
    query = dns.message.make_query(f"{apex}.", "SOA")
    try:
        answer = dns.message.from_wire(ask.over("udp", server, query.to_wire()))
    except ask.NoAnswer:
        return None
    sets = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA]
    return sets[0][0].serial if sets else None
