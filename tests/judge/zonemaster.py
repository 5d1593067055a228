"""Zonemaster's tests of a zone and its name servers, without the internet.

The delegation that the parent would hold is given by hand, with Koinon as ns1 and NSD as ns2 of the same zone and
serial. The only root server that Zonemaster knows is Koinon, which is not one and refuses; so no question leaves
the machine, and what depends on the world's DNS stays a warning. An ERROR or CRITICAL is a failure.
"""

import json
import os
import subprocess

from . import zone
from .rows import Row

# A run takes a second; each question that nobody answers would take some more.
SECONDS_MAX = 120
FAILURES = ("ERROR", "CRITICAL")
# What is true of every server on loopback (RFC 1122 section 3.2.1.3).
EXCUSED = ("NAMESERVER_IP_PRIVATE_NETWORK",)

# Each of these modules says something of every zone that it can reach.
MODULES = {"ADDRESS", "BASIC", "CONSISTENCY", "DELEGATION", "DNSSEC", "NAMESERVER", "SYNTAX", "ZONE"}


def judge(folder, koinon, nsd):
    """All tests. Shape: one row per module of Zonemaster."""
    hints = os.path.join(folder, "hints")
    with open(hints, "w", encoding="ascii") as text:
        text.write(f". 3600 IN NS ns.root.\nns.root. 3600 IN A {koinon}\n")
    command = ["zonemaster-cli", zone.APEX, "--no-ipv6", "--hints", hints]
    servers = ["--ns", f"ns1.{zone.APEX}/{koinon}", "--ns", f"ns2.{zone.APEX}/{nsd}"]
    show = ["--json", "--raw", "--no-time", "--no-progress", "--level", "INFO"]
    done = subprocess.run(
        [*command, *servers, *show], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    try:
        messages = json.loads(done.stdout)
    except json.JSONDecodeError:
        return [Row("zonemaster", "a report", "udp", [done.stdout[-2000:] + done.stderr[-2000:]])]
    modules = {}
    for message in messages:
        modules.setdefault(message["module"], []).append(message)
    if silent := sorted(MODULES - set(modules)):
        return [Row("zonemaster", "all modules", "udp", [f"nothing was said by {', '.join(silent)}"])]
    return [
        Row("zonemaster", module.lower(), "udp", failures(said)) for module, said in sorted(modules.items())
    ]


def failures(messages):
    return [
        f"{message['level']} {message['tag']} {message['args']}"
        for message in messages
        if message["level"] in FAILURES and message["tag"] not in EXCUSED
    ]
