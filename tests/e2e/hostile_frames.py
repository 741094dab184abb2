"""What hostile clients send, and what Shunt makes of it: one table for every listener that speaks Kafka.

Row.ends is the cause of the closing line and of `shunt_client_closed_total`; Row.says is a word of that line.
"""

import os
import struct
from dataclasses import dataclass

TWO_BILLION = 2**31 - 1


@dataclass
class Row:
    name: str
    data: bytes
    ends: str
    says: str = ""


def frame(api, version, body, client=b"hostile", tags=b""):
    content = struct.pack(">hhih", api, version, 7, len(client)) + client + tags + body
    return struct.pack(">i", len(content)) + content


def number(n):
    return struct.pack(">i", n)


GOOD = frame(3, 5, number(0) + b"\0")  # Metadata v5 of no topic
LIST_OFFSETS = number(-1) + b"\0" + number(1) + struct.pack(">h", 1) + b"t" + number(1) + struct.pack(">iq", 0, -1)
VARINT_MAX = b"\xff\xff\xff\xff\x07"

ROWS = [
    Row("length 0", number(0) + GOOD[4:], "bad_frame", "below 4"),
    Row("length -1", number(-1) + GOOD[4:], "bad_frame", "below 4"),
    Row("length 2^31-1", number(TWO_BILLION) + GOOD[4:], "frame_too_large", "frame_bytes_max"),
    Row("100 MiB, no Produce", number(104857600) + GOOD[4:], "frame_too_large", "not a Produce"),
    Row("half a header", number(6) + GOOD[4:10], "bad_frame", "header"),
    Row("api 999", frame(999, 0, number(0)), "unknown_api", "999"),
    Row("LeaderAndIsr", frame(4, 0, number(0)), "unknown_api"),
    Row("Metadata v99", frame(3, 99, number(0)), "unsupported_version", "v99"),
    Row("Metadata v-1", frame(3, -1, number(0)), "unsupported_version", "v-1"),
    Row("a body cut short", frame(2, 4, LIST_OFFSETS[:-7]), "bad_request", "past the end"),
    Row("2^31-1 elements", frame(3, 5, number(TWO_BILLION)), "bad_request", "past the end"),
    Row("2^31 header tags", frame(3, 9, b"", tags=VARINT_MAX), "bad_frame", "header"),
    Row("2^31 tags", frame(3, 9, b"\0" + b"\0" * 3 + VARINT_MAX, tags=b"\0"), "bad_request", "tagged"),
    Row("a tag of 2 GiB", frame(3, 9, b"\0" + b"\0" * 3 + b"\1c" + VARINT_MAX, tags=b"\0"), "bad_request", "tagged"),
    Row("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "frame_too_large", "HTTP"),
    Row("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", "frame_too_large", "SSH"),
]
# On a plain listener alone: a TLS one would begin a handshake.
PLAIN_ROWS = [Row("TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(200), "frame_too_large", "TLS")]

API_VERSIONS_OF_LATER = frame(18, 99, b"\xff" * 40)
API_VERSIONS = frame(18, 0, b"")
