"""Any Kafka message in any version, to and from dicts, driven by the definitions inside the kafka-clients jar.

    REQUESTS["Fetch"].encode(13, {"MaxWaitMs": 0, ...}); RESPONSES["Fetch"].decode(13, body)

Strict: encoding refuses a name that the definition lacks, decoding refuses a byte too few or too many. Fields left out
get their defaults. Tagged fields nobody defined are kept as {"_tags": {number: bytes}}.
"""

import json
import re
import struct
import zipfile
from pathlib import Path

JARS = Path(__file__).resolve().parents[3] / "build" / "deps"
FORMATS = {
    "bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d",
}  # fmt: skip


class Malformed(Exception):
    """What was received is not what the definition says."""


def versions(text):
    """'3+' -> range(3, 100); 'none' -> range(0)."""
    if text in (None, "none"):
        return range(0)
    first, more, last = re.fullmatch(r"(\d+)(\+|-)?(\d+)?", text).groups()
    return range(int(first), 100 if more == "+" else int(last or first) + 1)


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


class Reader:
    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise Malformed(f"{n} bytes wanted at {self.at} of {len(self.data)}")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, kind):
        return struct.unpack(FORMATS[kind], self.take(struct.calcsize(FORMATS[kind])))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


class Field:
    def __init__(self, raw, structs):
        self.name, self.versions = raw["name"], versions(raw["versions"])
        self.nullable = versions(raw.get("nullableVersions"))
        self.tagged, self.tag = versions(raw.get("taggedVersions")), raw.get("tag")
        self.array = raw["type"].startswith("[]")
        self.type = raw["type"].removeprefix("[]")
        inner = raw.get("fields") or structs.get(self.type)
        self.fields = [Field(f, structs) for f in inner] if inner else None
        self._default = raw.get("default")

    def default(self):
        text = self._default
        if text == "null":
            return None
        if self.array:
            return []
        if self.fields is not None:
            return {}
        if self.type == "string":
            return text or ""
        if self.type in ("bytes", "records"):
            return b""
        if self.type == "uuid":
            return bytes(16)
        if self.type == "bool":
            return text in (True, "true")
        if self.type == "float64":
            return float(text or 0)
        return int(text, 0) if isinstance(text, str) and text else text or 0

    def read(self, r, version, flexible):
        if self.array:
            count = r.varint() - 1 if flexible else r.number("int32")
            if count < 0:
                return None
            return [self._read_one(r, version, flexible) for _ in range(count)]
        if self.fields is not None and version in self.nullable and r.number("int8") < 0:
            return None
        return self._read_one(r, version, flexible)

    def _read_one(self, r, version, flexible):
        if self.fields is not None:
            return read_struct(self.fields, r, version, flexible)
        if self.type == "uuid":
            return bytes(r.take(16))
        if self.type not in ("string", "bytes", "records"):
            return r.number(self.type)
        size = (
            r.varint() - 1 if flexible else r.number("int16" if self.type == "string" else "int32")
        )
        if size < 0:
            return None
        data = bytes(r.take(size))
        return data.decode() if self.type == "string" else data

    def write(self, out, version, flexible, value):
        if self.array:
            count = -1 if value is None else len(value)
            out.append(varint(count + 1) if flexible else struct.pack(">i", count))
            for item in value or []:
                self._write_one(out, version, flexible, item)
            return
        if self.fields is not None and version in self.nullable:
            out.append(b"\xff" if value is None else b"\1")
            if value is None:
                return
        self._write_one(out, version, flexible, value)

    def _write_one(self, out, version, flexible, value):
        if self.fields is not None:
            write_struct(self.fields, out, version, flexible, value)
        elif self.type == "uuid":
            out.append(value)
        elif self.type in ("string", "bytes", "records"):
            data = value.encode() if isinstance(value, str) else value
            size = -1 if data is None else len(data)
            width = ">h" if self.type == "string" else ">i"
            out.append(varint(size + 1) if flexible else struct.pack(width, size))
            if data:
                out.append(data)
        else:
            out.append(struct.pack(FORMATS[self.type], value))


def read_struct(fields, r, version, flexible):
    values = {
        f.name: f.read(r, version, flexible)
        for f in fields
        if version in f.versions and version not in f.tagged
    }
    if flexible:
        known = {f.tag: f for f in fields if version in f.tagged}
        for _ in range(r.varint()):
            tag, data = r.varint(), Reader(r.take(r.varint()))
            if tag in known:
                values[known[tag].name] = known[tag].read(data, version, flexible)
                if data.at != len(data.data):
                    raise Malformed(f"tag {tag}: {len(data.data) - data.at} bytes left over")
            else:
                values.setdefault("_tags", {})[tag] = bytes(data.data)
    return values


def write_struct(fields, out, version, flexible, values):
    unknown = set(values) - {f.name for f in fields} - {"_tags"}
    if unknown:
        raise ValueError(f"no such field: {unknown}")
    for f in fields:
        if version in f.versions and version not in f.tagged:
            f.write(out, version, flexible, values[f.name] if f.name in values else f.default())
    if flexible:
        tags = dict(values.get("_tags", {}))
        for f in fields:
            if version in f.tagged and f.name in values and values[f.name] != f.default():
                parts = []
                f.write(parts, version, flexible, values[f.name])
                tags[f.tag] = b"".join(parts)
        out.append(varint(len(tags)))
        for tag in sorted(tags):
            out += [varint(tag), varint(len(tags[tag])), tags[tag]]


class Message:
    def __init__(self, raw):
        structs = {s["name"]: s["fields"] for s in raw.get("commonStructs", [])}
        self.name, self.key = raw["name"], raw["apiKey"]
        self.valid, self.flexible = versions(raw["validVersions"]), versions(
            raw.get("flexibleVersions")
        )
        self.fields = [
            Field(f, structs) for f in raw.get("fields", [])
        ]  # none: an API that is gone

    def encode(self, version, values):
        out = []
        write_struct(self.fields, out, version, version in self.flexible, values)
        return b"".join(out)

    def decode(self, version, data):
        r = Reader(data)
        values = read_struct(self.fields, r, version, version in self.flexible)
        if r.at != len(r.data):
            raise Malformed(f"{self.name} v{version}: {len(r.data) - r.at} bytes left over")
        return values


def load(jar):
    requests, responses = {}, {}
    with zipfile.ZipFile(jar) as files:
        for name in files.namelist():
            if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                text = re.sub(r"^\s*//.*$", "", files.read(name).decode(), flags=re.M)
                message = Message(json.loads(text))
                kind = requests if message.name.endswith("Request") else responses
                kind[re.sub(r"(Request|Response)$", "", message.name)] = message
    return requests, responses


REQUESTS, RESPONSES = load(next(JARS.glob("kafka-clients-*/kafka-clients-*.jar")))
NAMES = {message.key: name for name, message in REQUESTS.items()}
