"""Decompresses record batches: zlib, snappy written here, lz4 and zstd from the system."""

import ctypes
import ctypes.util
import struct
import zlib

NAMES = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
STEP = 1 << 18


class NoCodec(Exception):
    """Nothing on this machine decodes this codec."""


def inflate(codec, data):
    return DECODERS[codec](bytes(data)) if codec in DECODERS else _none(codec)


def _none(codec):
    raise NoCodec(NAMES.get(codec, str(codec)))


def snappy(data):
    """Blocks as Java's library frames them (xerial), or one bare block."""
    if not data.startswith(b"\x82SNAPPY\x00"):
        return _snappy_block(data)
    out, at = [], 16
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        out.append(_snappy_block(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return b"".join(out)


def _snappy_block(data):
    size, at, shift = 0, 0, 0
    while True:
        size |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        kind, n, at = tag & 3, tag >> 2, at + 1
        if kind == 0:
            if n >= 60:
                width = n - 59
                n = int.from_bytes(data[at : at + width], "little")
                at += width
            out += data[at : at + n + 1]
            at += n + 1
            continue
        if kind == 1:
            n, back, at = (n & 7) + 4, tag >> 5 << 8 | data[at], at + 1
        else:
            width = 2 if kind == 2 else 4
            n, back, at = n + 1, int.from_bytes(data[at : at + width], "little"), at + width
        for _ in range(n):  # a copy may overlap itself
            out.append(out[-back])
    if len(out) != size:
        raise ValueError(f"snappy: {len(out)} bytes of {size}")
    return bytes(out)


def _library(name):
    found = ctypes.util.find_library(name)
    return ctypes.CDLL(found) if found else None


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t)]


def _zstd(lib):
    lib.ZSTD_createDStream.restype = ctypes.c_void_p
    lib.ZSTD_decompressStream.restype = ctypes.c_size_t
    lib.ZSTD_decompressStream.argtypes = [ctypes.c_void_p] * 3

    def decode(data):
        stream, out = ctypes.c_void_p(lib.ZSTD_createDStream()), []
        room = ctypes.create_string_buffer(STEP)
        source = ctypes.create_string_buffer(data, len(data))
        given = _Buffer(ctypes.addressof(source), len(data), 0)
        try:
            while True:
                taken = _Buffer(ctypes.addressof(room), STEP, 0)
                more = lib.ZSTD_decompressStream(stream, ctypes.byref(taken), ctypes.byref(given))
                if lib.ZSTD_isError(ctypes.c_size_t(more)):
                    raise ValueError("zstd: not a frame")
                out.append(room.raw[: taken.at])
                if given.at == len(data) and taken.at < STEP:
                    return b"".join(out)
        finally:
            lib.ZSTD_freeDStream(stream)

    return decode


def _lz4(lib):
    lib.LZ4F_decompress.restype = ctypes.c_size_t
    lib.LZ4F_decompress.argtypes = [ctypes.c_void_p] * 6

    def decode(data):
        context, out, at = ctypes.c_void_p(), [], 0
        lib.LZ4F_createDecompressionContext(ctypes.byref(context), 100)
        room = ctypes.create_string_buffer(STEP)
        source = ctypes.create_string_buffer(data, len(data))
        try:
            while True:
                filled, eaten = ctypes.c_size_t(STEP), ctypes.c_size_t(len(data) - at)
                left = lib.LZ4F_decompress(
                    context,
                    room,
                    ctypes.byref(filled),
                    ctypes.addressof(source) + at,
                    ctypes.byref(eaten),
                    None,
                )
                if lib.LZ4F_isError(ctypes.c_size_t(left)):
                    raise ValueError("lz4: not a frame")
                out.append(room.raw[: filled.value])
                at += eaten.value
                if at == len(data) and filled.value < STEP:
                    return b"".join(out)
        finally:
            lib.LZ4F_freeDecompressionContext(context)

    return decode


DECODERS = {0: bytes, 1: lambda data: zlib.decompress(data, 31), 2: snappy}
for _codec, _name, _make in ((3, "lz4", _lz4), (4, "zstd", _zstd)):
    _found = _library(_name)
    if _found:
        DECODERS[_codec] = _make(_found)
