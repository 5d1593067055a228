"""Zones copied by NSD, Knot and BIND: 100,000 records of global names, and the judge's zone with one of everything.

Each secondary signs with a key of its own algorithm, copies both zones (AXFR), is told of a change (NOTIFY; the zones'
refresh is two hours off), and fetches what changed (IXFR). Knot and BIND follow a catalog besides. After each, what it holds is compared with what Koinon holds,
record by record, and what it answers with what it holds.
"""

import ipaddress
import json
import random
import re
import subprocess
import time
from dataclasses import replace

import dns.message
import dns.query

from . import differential, secondaries, zone
from .rows import Row
from .servers import Failed, serial_of

APEX = "transfer.example"
CATALOG = "catalog.example"
MEMBER = "member.example"
# What marks the members of the catalog, and their group.
LABELS = {"judge.example/catalog": "yes", "judge.example/group": "some"}
# Global names, and the addresses of each: 100,000 records in all. BIND takes no more than 100 of one name and type.
NAMES = 1000
ADDRESSES = 100

# Two busy cores and a debug build.
COPY_SECONDS_MAX = 120
POLL_SECONDS = 0.1
# Records in the answer to an IXFR over the change, its four SOAs included: an address replaced, a name of 100 gone and one
# of two new; and one record new.
DIFFERENCE = {APEX: 4 + 2 + ADDRESSES + 2, zone.APEX: 4 + 1}
# What a secondary that fetches this difference of the large zone receives at most; the zone is a hundred times as much.
DIFFERENCE_BYTES_MAX = 8_000
QUERIES = 2_000

# How each program says how many bytes of the large zone it received.
RECEIVED = {
    "nsd": rf"zone {APEX}\. received update .* of (\d+) bytes",
    "knot": rf"\[{APEX}\.\] [AI]XFR, incoming, .* finished, .* (\d+) bytes",
    "bind": rf"transfer of '{APEX}/IN' from .*: Transfer completed: .* records, (\d+) bytes",
}


class Judged:
    """The zones at Koinon, and how they are changed."""

    def __init__(self, kubectl, kubeconfig, koinon):
        self.command = [kubectl, "--kubeconfig", kubeconfig]
        self.koinon = koinon

    def kubectl(self, *arguments, manifests=None):
        done = subprocess.run(
            [*self.command, *arguments], input=manifests, text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise Failed(f"to run kubectl {' '.join(arguments)}: {done.stderr.strip()}")

    def prepare(self, copying):
        """Writes keys, the large zone and its names, and opens the judge's zone for the secondaries."""
        transfer = secondaries.transfer(copying)
        names = [global_name(number, 0) for number in range(NAMES)]
        items = [*(secondary.key.manifest() for secondary in copying), large_zone(transfer), catalog_zone(transfer), *names]
        self.kubectl("create", "-f", "-", manifests="\n---\n".join(items))
        self.patch("dnszone", zone.APEX, {"spec": {"transfer": transfer}})

    def patch(self, kind, name, change):
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def change(self):
        """Changes both zones: a name gone, one address replaced, a name new; one record more in the judge's zone."""
        gone = json.loads(global_name(1, 0))["metadata"]["name"]
        self.kubectl("delete", "globalrecord", gone)
        self.kubectl("apply", "-f", "-", manifests="\n---\n".join([global_name(0, 1), few("new")]))
        records = [*zone.as_static(), {"name": "changed", "type": "TXT", "data": '"since"'}]
        self.patch("dnszone", zone.APEX, {"spec": {"records": records}})

    def serials(self):
        return {apex: serial_of(self.koinon, apex) for apex in (APEX, zone.APEX)}


def dns_zone(apex, transfer, labels=None, **spec):
    return json.dumps(
        {
            "apiVersion": "koinon.io/v1alpha1",
            "kind": "DnsZone",
            "metadata": {"name": apex, "labels": labels or {}},
            "spec": {
                "soa": {"mname": "ns1.judge.example", "rname": f"hostmaster.{apex}"},
                "nameServers": [{"name": "ns1.judge.example"}],
                "transfer": transfer,
                **spec,
            },
        }
    )


def large_zone(transfer):
    return dns_zone(APEX, transfer)


def catalog_zone(transfer):
    mark, group = LABELS
    catalog = {"selector": {"matchLabels": {mark: LABELS[mark]}}, "groupLabel": group}
    return dns_zone(CATALOG, transfer, catalog=catalog)


def global_name(number, version):
    """A name with many addresses; in another version, the first is another."""
    first = int(ipaddress.ip_address("10.0.0.0")) + number * ADDRESSES
    addresses = [str(ipaddress.ip_address(first + place)) for place in range(ADDRESSES)]
    if version:
        addresses[0] = "192.0.2.99"
    return named(label_of(number), addresses)


def label_of(number):
    return f"shop-{number}"


def few(name):
    return named(name, ["192.0.2.1", "192.0.2.2"])


def named(name, addresses):
    record = zone.global_record(name, addresses, 30)
    record["metadata"]["name"] = f"transfer-{name}"
    record["spec"]["host"] = f"{name}.{APEX}"
    record["spec"]["endpoints"] = {"addresses": [{"cluster": "cluster-0", "ips": addresses}]}
    return json.dumps(record)


def judge(folder, kubectl, kubeconfig, koinon, seed):
    """Starts the secondaries, has them copy and follow. Shape: some rows per secondary."""
    copying = secondaries.all_three()
    judged = Judged(kubectl, kubeconfig, koinon)
    judged.prepare(copying)
    until("koinon serves the large zone", lambda: n_records(judged, copying[0], APEX) > NAMES * ADDRESSES)
    try:
        for secondary in copying:
            secondaries.start(secondary, folder, koinon[0], (APEX, zone.APEX), CATALOG)
        rows = []
        before = judged.serials()
        rows += [copied("AXFR", judged, secondary) for secondary in copying]
        judged.change()
        until("koinon serves the change", lambda: is_changed(judged, copying[0]))
        rows += [difference(judged, secondary, before) for secondary in copying]
        followed = [copied("NOTIFY and IXFR", judged, secondary) for secondary in copying]
        rows += [as_difference(secondary, row) for secondary, row in zip(copying, followed)]
        rows += [answers(secondary, judged, seed) for secondary in copying]
        others = {secondary.name: secondary.server for secondary in copying if secondary.name != "bind"}
        rows += catalogs(judged, copying)
        compared = differential.judge("udp", koinon, others, QUERIES, seed)
        return rows + [replace(row, judge="transfers", case=f"answers as {row.case}") for row in compared]
    finally:
        for secondary in copying:
            secondary.stop()


def until(what, holds):
    deadline = time.monotonic() + COPY_SECONDS_MAX
    while not (outcome := holds()):
        if time.monotonic() > deadline:
            raise Failed(f"to see that {what} within {COPY_SECONDS_MAX} s")
        time.sleep(POLL_SECONDS)
    return outcome


def is_changed(judged, secondary):
    """Whether everything that `Judged.change` changes is in the zones that can be copied."""
    owners = {line.partition(" ")[0] for line in zone_of(judged.koinon, secondary.key, APEX)}
    small = {line.partition(" ")[0] for line in zone_of(judged.koinon, secondary.key, zone.APEX)}
    is_there = f"new.{APEX}." in owners and f"changed.{zone.APEX}." in small
    return is_there and f"{label_of(1)}.{APEX}." not in owners


def n_records(judged, secondary, apex):
    return len(zone_of(judged.koinon, secondary.key, apex))


def zone_of(server, key, apex, kind="AXFR"):
    """What a server gives of a zone, in lines as dig writes them."""
    address, port = server
    command = ["dig", f"@{address}", "-p", str(port), "-y", key.for_dig, apex, kind]
    options = ["+noall", "+answer", "+time=30", "+tries=1", "+tcp"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    lines = (" ".join(line.split()) for line in done.stdout.splitlines())
    return [line for line in lines if line and not line.startswith(";") and " TSIG " not in line]


def copied(how, judged, secondary):
    """Whether a secondary comes to hold what Koinon holds of both zones."""
    wanted = judged.serials()
    differed, notes = [], []
    try:
        until(
            f"{secondary.name} has serials {wanted}",
            lambda: all(secondary.serial(apex) == serial for apex, serial in wanted.items()),
        )
    except Failed as late:
        return Row("transfers", f"{how} to {secondary.name}", "tcp", [str(late), secondary.process.said()])
    for apex in wanted:
        ours, theirs = (
            sorted(set(zone_of(server, secondary.key, apex))) for server in (judged.koinon, secondary.server)
        )
        notes.append(f"{apex}: {len(ours)} records")
        missing, more = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
        differed += [f"{apex} lacks {line}" for line in missing[:3]] + [f"{apex} has {line}" for line in more[:3]]
    return Row("transfers", f"{how} to {secondary.name}", "tcp", differed, notes)


def as_difference(secondary, row):
    """The row, with whether the change of the large zone came as a difference."""
    received = re.findall(RECEIVED[secondary.name], secondary.process.said_in_all())
    row.notes.append(f"{APEX}: {received[-1] if received else 'no'} bytes received")
    if not received or int(received[-1]) > DIFFERENCE_BYTES_MAX:
        row.differed.append(f"{APEX}: {received} bytes received, the last of them not a difference")
    return row


def difference(judged, secondary, before):
    """Whether Koinon gives this secondary's key what changed, and not everything."""
    differed, notes = [], []
    for apex, serial in before.items():
        lines = zone_of(judged.koinon, secondary.key, apex, f"IXFR={serial}")
        n_soas = sum(" SOA " in line for line in lines)
        notes.append(f"{apex}: {len(lines)} records since {serial}")
        if (len(lines), n_soas) != (DIFFERENCE[apex], 4):
            differed.append(f"{apex}: {len(lines)} records, {n_soas} of them SOA, not {DIFFERENCE[apex]} and 4")
    return Row("transfers", f"a difference with the key of {secondary.name}", "tcp", differed, notes)


def catalogs(judged, copying):
    """Whether secondaries serve a zone that they were never told of as soon as it is made, and no more when it is deleted."""
    following = [secondary for secondary in copying if secondary.name != "nsd"]
    differed = {secondary.name: [] for secondary in following}

    def seen(secondary, what, holds):
        try:
            until(f"{secondary.name} {what}", lambda: holds(secondary.serial(MEMBER)))
        except Failed as late:
            differed[secondary.name] += [str(late), secondary.process.said()]

    judged.kubectl("create", "-f", "-", manifests=dns_zone(MEMBER, secondaries.transfer(copying), LABELS))
    until("koinon serves the member", lambda: serial_of(judged.koinon, MEMBER) is not None)
    for secondary in following:
        seen(secondary, "serves the member", lambda serial: serial == serial_of(judged.koinon, MEMBER))
    listed = [line.split()[3:] for line in zone_of(judged.koinon, copying[0].key, CATALOG)]
    for wanted in (["PTR", f"{MEMBER}."], ["TXT", '"some"'], ["TXT", '"2"']):
        if wanted not in listed:
            differed[following[0].name].append(f"the catalog lacks {wanted}: {listed}")
    judged.kubectl("delete", "dnszone", MEMBER)
    for secondary in following:
        seen(secondary, "serves the member no more", lambda serial: serial is None)
    return [Row("transfers", f"a catalog followed by {name}", "tcp", found) for name, found in differed.items()]


def answers(secondary, judged, seed):
    """Whether a secondary answers what it copied: random names of the large zone, and some that are not there."""
    chosen = random.Random(seed)
    held = {}
    for line in zone_of(judged.koinon, secondary.key, APEX):
        owner, _, _, kind, *data = line.split()
        if kind == "A":
            held.setdefault(owner, set()).add(data[0])
    differed = []
    for _ in range(QUERIES):
        owner = f"shop-{chosen.randrange(NAMES + NAMES // 5)}.{APEX}."
        query = dns.message.make_query(owner, "A")
        answer, _ = dns.query.udp_with_fallback(query, secondary.server[0], timeout=5, port=secondary.server[1])
        said = {item.address for rrset in answer.answer for item in rrset}
        if said != held.get(owner, set()) and len(differed) < 3:
            differed.append(f"{owner}: {len(said)} addresses, not {len(held.get(owner, set()))}")
    return Row("transfers", f"answers of {secondary.name}", "udp", differed)
