"""Queries with a few bytes changed, cut off or added: whatever they have become, each is answered.

RFC 8906 section 3 wants an answer to anything with a header that is not a response itself. The answer repeats the
id, says that it is one, is whole by itself, and fits the datagram that any client can take; and afterwards the
server is still there.
"""

import random

import dns.exception
import dns.flags
import dns.message

from . import ask
from .questions import questions
from .rows import Row

HEADER = 12
# What a client may get without having asked for more, and what Koinon ever sends (RFC 9715).
PLAIN_MAX = 512
DATAGRAM_MAX = 1232
EXAMPLES_MAX = 5
# Where the header's third byte holds the opcode.
OPCODE_MASK = 0x78


def judge(server, count, seed):
    """So many mutated queries over UDP. Shape: one row."""
    source = random.Random(seed)
    socket = ask.Datagrams(server)
    differed = []
    for number, question in enumerate(questions(source, count)):
        packet = mutated(source, question.wire(number % 65536))
        if packet[2] & 0x80:
            # A response is never answered: two servers would talk for ever.
            continue
        if complaint := complain(socket, packet):
            differed.append(f"{complaint}: {packet.hex()}")
        if len(differed) == EXAMPLES_MAX:
            break
    socket.close()
    return [Row("mutations", f"{count} queries, seed {seed}", "udp", differed)]


def mutated(source, packet):
    """A packet with one to three changes; the id stays, so that its answer is known."""
    packet = bytearray(packet)
    for _ in range(source.randint(1, 3)):
        kind = source.random()
        at = source.randrange(2, len(packet))
        if kind < 0.6:
            packet[at] = source.randrange(256)
        elif kind < 0.75:
            del packet[max(HEADER, at) :]
        elif kind < 0.9:
            packet[at:at] = source.randbytes(source.randint(1, 12))
        else:
            packet.extend(source.randbytes(source.randint(1, 600)))
    return bytes(packet)


def complain(socket, packet):
    """What is wrong with the answer to a packet, or nothing."""
    try:
        answer = socket.ask(packet)
        read = dns.message.from_wire(as_query(answer))
    except ask.NoAnswer:
        return "no answer"
    except dns.exception.DNSException as error:
        return f"the answer is malformed ({error})"
    if not read.flags & dns.flags.QR:
        return "the answer does not say that it is one"
    if read.edns < 0 and len(answer) > PLAIN_MAX or len(answer) > DATAGRAM_MAX:
        return f"the answer has {len(answer)} bytes"
    return None


def as_query(answer):
    """The answer with QUERY for its opcode: dnspython reads the question of an UPDATE as a zone, which has to be an SOA, and the
    mutated ones are not. How Koinon treats opcodes is what RFC 8906's cases ask."""
    return answer[:2] + bytes([answer[2] & ~OPCODE_MASK]) + answer[3:]
