"""Record batches (v2) to and from lists of values."""

import random
import struct
import time
from functools import lru_cache

from wire.codec import Reader, varint

_TABLE = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ 0x82F63B78 if _n & 1 else _n >> 1
    _TABLE.append(_n)


CHUNK = 65536


@lru_cache(maxsize=16)
def _chunk(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _apply(matrix, crc):
    out = n = 0
    while crc:
        if crc & 1:
            out ^= matrix[n]
        crc >>= 1
        n += 1
    return out


@lru_cache(maxsize=64)
def _zeros(count):
    """What `count` zero bytes do to a CRC, as a matrix over GF(2) (zlib's crc32_combine)."""
    power = [0x82F63B78] + [1 << n for n in range(31)]  # one zero bit
    matrix = [1 << n for n in range(32)]
    bits = count * 8
    while bits:
        if bits & 1:
            matrix = [_apply(power, column) for column in matrix]
        power = [_apply(power, column) for column in power]
        bits >>= 1
    return matrix


def crc32c(data):
    """By chunks, each different one computed once: quick when the data repeats every CHUNK bytes."""
    crc = 0
    for at in range(0, len(data), CHUNK):
        part = data[at : at + CHUNK]
        crc = _apply(_zeros(len(part)), crc) ^ _chunk(part)
    return crc


def bulk(size, seed=0):
    """Bytes that are quick to sum up."""
    return (random.Random(seed).randbytes(CHUNK) * (size // CHUNK + 1))[:size]


def _zigzag(n):
    return varint(n << 1 ^ n >> 63)


def batch(values, producer_id=-1, epoch=-1, sequence=-1, timestamp=None, transactional=False):
    now = timestamp or int(time.time() * 1000)
    records = b""
    for i, value in enumerate(values):
        record = b"\0" + _zigzag(0) + _zigzag(i) + _zigzag(-1) + _zigzag(len(value)) + value + b"\0"
        records += _zigzag(len(record)) + record
    tail = (
        struct.pack(
            ">hiqqqhii",
            16 * transactional,
            len(values) - 1,
            now,
            now,
            producer_id,
            epoch,
            sequence,
            len(values),
        )
        + records
    )
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def batches(data):
    """The whole batches of a record set: dicts of base, leader epoch, producer id, values."""
    at = 0
    while at + 12 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        epoch, _, _ = struct.unpack_from(">ibI", data, at + 12)
        _, _, _, _, producer, _, _, count = struct.unpack_from(">hiqqqhii", data, at + 21)
        yield {
            "base": base,
            "epoch": epoch,
            "producer": producer,
            "values": _values(data[at + 61 : end], count),
            "size": end - at,
        }
        at = end


def _values(data, count):
    r, values = Reader(data), []

    def signed():
        n = r.varint()
        return n >> 1 ^ -(n & 1)

    for _ in range(count):
        end = signed() + r.at
        r.take(1)
        signed(), signed()
        r.take(max(0, signed()))
        values.append(bytes(r.take(max(0, signed()))))
        r.at = end
    return values
