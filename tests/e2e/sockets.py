"""The addresses that a process is connected to, from /proc: what a client was really told and went to."""

import os
import socket
import struct
from pathlib import Path

ESTABLISHED = "01"


def _address(text):
    host, port = text.split(":")
    return (
        f"{socket.inet_ntoa(struct.pack('<I', int(host, 16)))}:{int(port, 16)}"
        if len(host) == 8
        else _address6(host, port)
    )


def _address6(host, port):
    """IPv4 in IPv6, as Java uses it."""
    return _address(f"{host[24:]}:{port}")


def _table():
    """{inode: remote address} of all established TCP sockets of this namespace."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == ESTABLISHED:
                found[words[9]] = _address(words[2])
    return found


def remotes(pid):
    """The set of "host:port" that the process is connected to now."""
    table, found = _table(), set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(table.get(target[8:-1]))
    return found - {None}
