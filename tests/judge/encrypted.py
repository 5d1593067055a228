"""What another implementation makes of names over TLS and QUIC: each answer is the one over TCP, and padded."""

import datetime
import os

import dns.exception
import dns.message
import dns.query
import dns.rcode
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import zone
from .rows import Row

PORT = 853
# The name in the certificate.
NAME = f"ns1.{zone.APEX}"
CERTIFICATE, KEY = "tls.crt", "tls.key"
# RFC 8467 section 4.1.
PADDED = 468
# Two busy cores and a debug build.
SECONDS_MAX = 10

QUESTIONS = [
    (zone.APEX, "SOA"),
    (f"www.{zone.APEX}", "A"),
    (f"chain4.{zone.APEX}", "A"),
    (f"large.{zone.APEX}", "TXT"),
    (f"child.{zone.APEX}", "NS"),
    (f"nowhere.{zone.APEX}", "A"),
    (f"www.{zone.APEX}", "MX"),
    ("elsewhere.test", "A"),
]


def options(folder, address):
    """Makes a certificate; gives the options of a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, content in (
        (CERTIFICATE, certificate.public_bytes(pem)),
        (KEY, key.private_bytes(pem, *plain)),
    ):
        with open(os.path.join(folder, file), "wb") as out:
            out.write(content)
    listen = [f"--dns-{transport}-listen={address}:{PORT}" for transport in ("tls", "quic")]
    files = [os.path.join(folder, file) for file in (CERTIFICATE, KEY)]
    return [*listen, "--dns-cert", files[0], "--dns-key", files[1]]


def judge(folder, server):
    """Asks over TLS and QUIC what was asked over TCP. Shape: a row per question and transport."""
    address, port = server
    trusted = {"port": PORT, "server_hostname": NAME, "verify": os.path.join(folder, CERTIFICATE)}
    rows = []
    for name, kind in QUESTIONS:
        query = dns.message.make_query(name, kind, use_edns=0, want_dnssec=False)
        query.flags = 0
        plain = dns.query.tcp(query, address, port=port, timeout=SECONDS_MAX)
        for transport, ask in (("tls", dns.query.tls), ("quic", dns.query.quic)):
            try:
                told = ask(query, address, timeout=SECONDS_MAX, **trusted)
                differed = differences(plain, told)
            except (dns.exception.DNSException, OSError) as error:
                differed = [f"no answer: {error!r}"]
            rows.append(Row("dnspython", f"{name} {kind}", transport, differed))
    return rows


def differences(plain, told):
    found = []
    if plain.rcode() != told.rcode():
        found.append(f"{dns.rcode.to_text(told.rcode())} instead of {dns.rcode.to_text(plain.rcode())}")
    for section in ("answer", "authority", "additional"):
        wanted, seen = ({str(rrset) for rrset in getattr(message, section)} for message in (plain, told))
        if wanted != seen:
            found.append(f"{section}: {sorted(seen)} instead of {sorted(wanted)}")
    length = len(told.wire)
    if length % PADDED:
        found.append(f"{length} bytes are no multiple of {PADDED}")
    return found
