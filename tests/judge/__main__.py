"""The black-box judge of the DNS server: `cargo xtask judge dns` prepares what it needs and starts it."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile

import dns.version

from . import (
    ask,
    clients,
    differential,
    dnssec,
    encrypted,
    mutations,
    rfc8906,
    rows,
    servers,
    transfers,
    weights,
    zonemaster,
)

# How each program says what it is; the first line counts.
VERSIONS = {
    "dig": ["dig", "-v"],
    "nsd": ["nsd", "-v"],
    "knotd": ["knotd", "-V"],
    "zonemaster-cli": ["zonemaster-cli", "--version"],
    "ldns-verify-zone": ["ldns-verify-zone", "-v"],
    "unbound": ["unbound", "-V"],
    "named": ["named", "-v"],
}

# One in so many of the random questions is asked over TCP too.
TCP_SHARE = 10


def main():
    arguments = read_arguments()
    # The servers must not outlive the run, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: failed to finish: asked to stop"))
    versions = {name: version(command) for name, command in VERSIONS.items()} | {
        "dnspython": dns.version.version
    }
    for name, said in versions.items():
        print(f"{name}: {said}")
    try:
        judged = judge(arguments)
    except (servers.Failed, ask.NoAnswer, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"error: failed {error}")
    print(rows.table(judged))
    report = {
        "versions": versions,
        "queries": arguments.queries,
        "seed": arguments.seed,
        "rows": rows.as_json(judged),
    }
    with open(arguments.report, "w", encoding="utf-8") as out:
        json.dump(report, out, indent=1)
    n_failed = sum(not row.is_ok for row in judged)
    print(f"{len(judged)} cases, {n_failed} differ; written to {arguments.report}")
    sys.exit(1 if n_failed else 0)


def judge(arguments):
    """Starts the servers, asks every judge, stops the servers. Shape: the rows of all judges."""
    servers.require_port()
    addresses = servers.Addresses()
    koinon, nsd, knot = (
        (address, servers.PORT) for address in (addresses.koinon, addresses.nsd, addresses.knot)
    )
    others = {"nsd": nsd, "knot": knot}
    queries, seed = arguments.queries, arguments.seed
    running = []
    with tempfile.TemporaryDirectory(prefix="koinon-judge-") as folder:
        try:
            options = encrypted.options(folder, addresses.koinon)
            running.append(
                servers.start_koinon(arguments.koinon, arguments.kubectl, folder, addresses, options)
            )
            serial = servers.serial_of(koinon)
            running.append(servers.start_nsd(folder, addresses, serial))
            running.append(servers.start_knot(folder, addresses, serial))
            judged = [
                *rfc8906.judge(koinon),
                *clients.judge(koinon),
                *encrypted.judge(folder, koinon),
                *zonemaster.judge(folder, addresses.koinon, addresses.nsd),
                *mutations.judge(koinon, queries, seed),
                *differential.judge("udp", koinon, others, queries, seed),
                # Other code reads what comes over TCP, and writes from the same answers.
                *differential.judge("tcp", koinon, others, queries // TCP_SHARE, seed),
                *weights.judge(folder, addresses.koinon, arguments.koinon),
                # Last, because it changes the zone.
                *transfers.judge(folder, arguments.kubectl, servers.kubeconfig(folder), koinon, seed),
            ]
            anchors = dnssec.sign(arguments.kubectl, folder, koinon, running[0].until)
            return [*judged, *dnssec.judge(koinon, folder, anchors)]
        finally:
            for process in reversed(running):
                process.stop()


def version(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.partition("\n")[0]


def read_arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask judge dns")
    parser.add_argument("--koinon", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--kubectl", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--report", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--queries", type=int, default=20_000, help="random queries, compared and mutated")
    parser.add_argument("--seed", type=int, default=1, help="of the random queries")
    return parser.parse_args()


if __name__ == "__main__":
    main()
