"""Messages to a server and back, over UDP and TCP.

Nothing here looks at a message beyond its id: a judge sees the bytes exactly as they came.
"""

import socket
import struct

# A server on the same machine answers in well under a millisecond; two busy cores may still take a second.
ANSWER_SECONDS_MAX = 5

TRANSPORTS = ("udp", "tcp")


class NoAnswer(Exception):
    """The server said nothing in time."""


class Datagrams:
    """A connected UDP socket, for many questions to one server."""

    def __init__(self, server):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(ANSWER_SECONDS_MAX)
        self.socket.connect(server)

    def ask(self, query):
        """The answer to a message, recognised by its id; answers to earlier questions are passed over."""
        self.socket.send(query)
        while True:
            try:
                answer = self.socket.recv(65535)
            except (TimeoutError, ConnectionRefusedError) as error:
                raise NoAnswer("no answer over UDP") from error
            if answer[:2] == query[:2]:
                return answer

    def close(self):
        self.socket.close()


class Stream:
    """A TCP connection, for many questions to one server (RFC 7766: a message's length goes before it)."""

    def __init__(self, server):
        try:
            self.socket = socket.create_connection(server, timeout=ANSWER_SECONDS_MAX)
        except OSError as error:
            raise NoAnswer(f"no connection over TCP: {error}") from error

    def ask(self, query):
        """The answer to a message."""
        try:
            self.socket.sendall(struct.pack("!H", len(query)) + query)
            (length,) = struct.unpack("!H", read_exactly(self.socket, 2))
            return read_exactly(self.socket, length)
        except OSError as error:
            raise NoAnswer(f"no answer over TCP: {error}") from error

    def close(self):
        self.socket.close()


def connect(transport, server):
    """A way to ask a server many questions over `udp` or `tcp`."""
    return Datagrams(server) if transport == "udp" else Stream(server)


def over(transport, server, query):
    """The answer to one message over `udp` or `tcp`."""
    connection = connect(transport, server)
    try:
        return connection.ask(query)
    finally:
        connection.close()


def read_exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise NoAnswer("the server closed the connection within a message")
        data += more
    return data
