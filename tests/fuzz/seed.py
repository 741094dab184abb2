#!/usr/bin/env python3
"""Writes first inputs for the fuzz targets from the golden files: seed.py FOLDER.

One folder per target in FOLDER; target.h tells the form of an input. The corpus in the tree is what
libFuzzer's -merge=1 kept of these and of what it found itself (README.md)."""
import pathlib
import re
import sys

tests = pathlib.Path(__file__).resolve().parent.parent
out = pathlib.Path(sys.argv[1])


def lines(name):
    for line in (tests / "golden" / name).read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split()


def unhex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def keys():
    """API keys by message name, from the generated table."""
    table = (tests.parent / "proxy/wire/table.cpp").read_text()
    return {m[1]: int(m[2]) for m in re.finditer(r'\{"(\w+(?:Request|Response))", (\d+),', table)}


counts = {}


def write(target, data):
    n = counts[target] = counts.get(target, 0) + 1
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{n:04}").write_bytes(data)


key_of = keys()
for name, versions, variant, body in lines("frames.txt"):
    response = name.endswith("Response")
    version = int(versions.split("-")[-1])
    head = bytes([key_of[name], version | (0x80 if response else 0)])
    body = unhex(body)
    if len(body) > 4096:
        continue
    knob = bytes([len(body) * 7 % 256])
    for target in ("walker", "values", "rewriter", "split"):
        write(target, head + knob + body)
    if response:
        write("translate", head + knob + body)
        write("merge", head + knob + len(body).to_bytes(2, "big") + body + body)

frames = b""
for kind, api, version, _, _, header in lines("headers.txt"):
    header = unhex(header)
    if kind == "request":
        write("headers", b"\0" + header + b"body")
        frames = (frames + (len(header) + 4).to_bytes(4, "big") + header + b"body")[-300:]
    else:
        write("headers", bytes([1, int(api), 0x80 | int(version), 0]) + header + b"body")
    if counts["headers"] % 40 == 0:
        write("framer", bytes([0, 0, 0, 16]) + b"sixteen bytes it" + frames)

sets = [unhex(w[2]) for w in lines("batches.txt") if w[0] == "set"]
for n, data in enumerate(sets):
    if len(data) < 4096:
        edit = (n % 8 + n * 24 % 256 & 0xFF).to_bytes(1, "big") + (1000 + n).to_bytes(8, "big")
        write("batches", edit + b"\0\5" + b"\0\0\x12\x34" + b"\7" + data)

# Large ones, which show what a small element costs: the bound has 64 KiB to spare.
def text(name):
    return len(name).to_bytes(2, "big") + name.encode()


def varint(n):
    return bytes([n & 0x7F | 0x80]) + varint(n >> 7) if n > 0x7F else bytes([n])


partitions = b"".join(n.to_bytes(4, "big") for n in range(15000))
write("split", bytes([key_of["DescribeProducersRequest"], 0, 1, 2, 2]) + b"t" + varint(15001) + partitions + b"\0\0")
write("split", bytes([key_of["DeleteGroupsRequest"], 2, 1]) + varint(30001) + b"\2g" * 30000 + b"\0")
one = b"\0\0\0\1" + bytes(22)
topics = (1000).to_bytes(4, "big") + b"".join(text(f"{n}") + one for n in range(1000))
write("merge", bytes([key_of["ListOffsetsResponse"], 0x81, 1]) + len(topics).to_bytes(2, "big") + topics + topics)
topics = (2000).to_bytes(4, "big") + b"".join(b"\0\0" + text(f"{n}") + bytes(5) for n in range(2000))
write("values", bytes([key_of["MetadataResponse"], 0x81, 0]) + bytes(8) + topics)

print(", ".join(f"{n} {target}" for target, n in sorted(counts.items())))
