"""One connection that speaks raw Kafka: whole calls, or requests and answers by themselves; keeps every answer's bytes.

with Connection("127.0.0.1", 9092) as c: c.call("Metadata", 9, {"Topics": None})
"""

import socket
import struct

from wire.codec import REQUESTS, RESPONSES, Reader


class Closed(Exception):
    """The other side closed the connection where an answer was due."""


class Connection:
    def __init__(
        self,
        host,
        port,
        client_id="wire",
        seconds=20,
        seen=None,
        receive_buffer=None,
        family=socket.AF_INET,
    ):
        """`seen(api, version, frame)` is called with every answer's bytes."""
        self.at, self.client_id, self.seen = (host, port), client_id, seen
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(self.at)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def frame(self, api, version, body, correlation):
        """A request as bytes; `body` may be bytes, for what no definition allows."""
        message = REQUESTS[api]
        name = None if self.client_id is None else self.client_id.encode()
        head = struct.pack(">hhi", message.key, version, correlation)
        head += b"\xff\xff" if name is None else struct.pack(">h", len(name)) + name
        flexible = version in message.flexible
        if not isinstance(body, bytes):
            body = message.encode(version, body)
        content = head + (b"\0" if flexible else b"") + body
        return struct.pack(">i", len(content)) + content

    def send(self, api, version, body):
        """Returns the correlation id."""
        self.sent += 1
        self.socket.sendall(self.frame(api, version, body, self.sent))
        return self.sent

    def bytes(self, n):
        data = bytearray(n)
        at = memoryview(data)
        while len(at):
            got = self.socket.recv_into(at)
            if got == 0:
                raise Closed(f"{self.at} closed, {len(at)} of {n} bytes missing")
            at = at[got:]
        return data

    def answer(self):
        """The next answer: (correlation id, what follows it)."""
        content = self.bytes(struct.unpack(">i", self.bytes(4))[0])
        return struct.unpack_from(">i", content)[0], memoryview(content)[4:]

    def receive(self, api, version, correlation):
        """The next answer, which must be to that request, decoded."""
        got, content = self.answer()
        if got != correlation:
            raise AssertionError(f"{api} v{version}: answer {got} came, {correlation} is due")
        if self.seen:
            self.seen(api, version, content)
        r = Reader(content)
        if api != "ApiVersions" and version in RESPONSES[api].flexible:
            for _ in range(r.varint()):
                r.varint()
                r.take(r.varint())
        return RESPONSES[api].decode(version, content[r.at :])

    def call(self, api, version, body):
        return self.receive(api, version, self.send(api, version, body))
