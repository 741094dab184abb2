#!/usr/bin/env python3
"""Writes table.cpp: Kafka's message definitions joined with what their fields mean to Shunt.

usage: generate.py JAR ROLES OUT      OUT "-" only checks

JAR    a kafka-clients jar (its common/message/*.json), or a folder of such files
ROLES  roles.txt, which explains its own format
A field that looks like an address, node id, topic id, cluster id, offset, epoch, producer id, ...
in a message that clients may send or get is an error until roles.txt says what it means.
"""
import json
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
MAX = 32767  # "0+" has no end
NUMBERS = ("bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64")
TYPES = {"bool": "boolean", **{t: t for t in NUMBERS[1:]}, "uuid": "uuid", "string": "string",
         "bytes": "bytes", "records": "records"}
PATTERN_ROLES = ("error", "throttle_ms")  # may be given by field name; all others by path

# What looks like something Shunt must know about, by field name.
SUSPECT = re.compile(
    r"Host|Port$|Address|Endpoint(?!Type)|Listener|Rack|ClusterId|Broker|Node(?!Type)|Leader|Isr"
    r"|Elr|Replica(?!tion)|Voter|Observer|Candidate|Controller|Coordinator|Offset|Watermark|Epoch"
    r"|ProducerId|Partition|^Index$|Topic(?!AuthorizedOperations)|GroupId|Groups|MemberId"
    r"|InstanceId|Generation|Transactional|^Acks$|ErrorCode|ThrottleTimeMs|Resource(Type|Name)"
    r"|Session(Id|Epoch)")
HARMLESS_TYPES = ("bool", "float64")


class Problem(Exception):
    pass


def enum_names(enum):
    """The enumerators of an enum class of schema.h: the one list of roles and routes."""
    text = (HERE / "schema.h").read_text()
    body = re.search(r"enum class %s .*?\{(.*?)\};" % enum, text, re.S).group(1)
    return re.findall(r"\w+", re.sub(r"//.*", "", body))


# -- Kafka's definitions --------------------------------------------------------------------------

def versions(text, valid=(0, MAX)):
    """"3-13", "4", "9+" or "none", cut to `valid`; empty is (0, -1)."""
    if text in (None, "none"):
        return (0, -1)
    first, _, last = text.partition("-")
    if first.endswith("+"):
        first, last = first[:-1], MAX
    low, high = max(int(first), valid[0]), min(int(last or first), valid[1])
    return (low, high) if low <= high else (0, -1)


def load(source):
    """All requests and responses, by API key, the request first."""
    if pathlib.Path(source).is_dir():
        files = {p.name: p.read_text() for p in pathlib.Path(source).glob("*.json")}
    else:
        with zipfile.ZipFile(source) as jar:
            files = {n.rsplit("/", 1)[1]: jar.read(n).decode() for n in jar.namelist()
                     if re.fullmatch(r"common/message/\w+\.json", n)}
    found = []
    for name, text in sorted(files.items()):
        try:
            message = json.loads(re.sub(r'(?m)^\s*//.*|//[^"\n]*$', "", text))
        except ValueError as e:
            raise Problem(f"{name}: {e}")
        if message["type"] in ("request", "response"):
            found.append(message)
    return sorted(found, key=lambda m: (m["apiKey"], m["type"]))


class Field:
    """One field of one message, its struct's fields expanded in place."""

    def __init__(self, spec, path, structs, valid):
        self.name, self.path = spec["name"], path
        self.array = spec["type"].startswith("[]")
        kind = spec["type"].removeprefix("[]")
        self.kind = TYPES.get(kind, "structure")
        self.versions = versions(spec["versions"], valid)
        self.nullable = versions(spec.get("nullableVersions"), self.versions)
        self.tagged = versions(spec.get("taggedVersions"), self.versions)
        self.tag = int(spec.get("tag", -1))
        self.entity = spec.get("entityType")
        self.role, self.split = "none", False
        if "flexibleVersions" in spec:
            raise Problem(f"{path}: flexibleVersions on a field is not supported")
        self.default(spec.get("default"), kind)
        self.fields = []
        if self.kind == "structure":
            inner = spec.get("fields") or structs.get(kind)
            if not inner:
                raise Problem(f"{path}: struct {kind} is not defined")
            self.fields = expand(inner, path, structs, valid)

    def default(self, value, kind):
        self.default_null, self.number = value == "null", 0
        if value in (None, "", "null"):
            return
        if self.array or kind not in NUMBERS:
            raise Problem(f"{self.path}: default {value!r} of a {kind} is not supported")
        if kind == "bool":
            self.number = int(str(value).lower() == "true")
        elif kind == "float64":
            if float(value):
                raise Problem(f"{self.path}: default {value!r} is not supported")
        else:
            self.number = int(str(value), 0)

    def suspect(self):
        """Why this field needs a role, or None."""
        if self.kind == "structure" or self.kind in HARMLESS_TYPES:
            return None
        if self.entity:
            return f"entityType {self.entity}"
        if self.kind in ("uuid", "records"):
            return f"type {self.kind}"
        hit = self.kind != "boolean" and SUSPECT.search(self.name)
        return hit and f'"{hit.group()}" in the name'


def expand(specs, path, structs, valid):
    fields = [Field(s, f"{path}.{s['name']}", structs, valid) for s in specs]
    return [f for f in fields if f.versions != (0, -1)]


class Message:
    def __init__(self, spec):
        self.name, self.key, self.request = spec["name"], spec["apiKey"], spec["type"] == "request"
        self.api = re.sub("(Request|Response)$", "", self.name)
        self.valid = versions(spec["validVersions"])
        self.flexible = versions(spec.get("flexibleVersions"), self.valid)
        self.unstable = spec.get("latestVersionUnstable", False)
        structs = {s["name"]: s["fields"] for s in spec.get("commonStructs", [])}
        self.fields = expand(spec.get("fields", []), self.name, structs, self.valid)
        self.route, self.offered = "internal", (0, -1)

    def walk(self):
        """All fields, parents first."""
        todo = list(self.fields)
        while todo:
            f = todo.pop(0)
            yield f
            todo = f.fields + todo


# -- roles.txt ------------------------------------------------------------------------------------

class Roles:
    """roles.txt, joined with the messages; every problem names the line."""

    def __init__(self, path, messages):
        self.path, self.problems = path, []
        self.messages = messages
        self.fields = {f.path: f for m in messages for f in m.walk()}
        self.apis, self.given = {}, {}
        self.roles, self.routes = enum_names("Role"), enum_names("Route")
        self.patterns = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words, _, why = (part.strip() for part in line.partition("#"))
            if words:
                self.line(number, words.split(), why)
        for name, role in self.patterns.items():
            for f in self.fields.values():
                if f.name == name and f.path not in self.given:
                    f.role = role
                    self.given[f.path] = 0
        self.check()

    def bad(self, number, text):
        self.problems.append(f"{self.path}:{number}: {text}")

    def line(self, number, words, why):
        if words[0] == "api":
            return self.api(number, words[1:])
        if len(words) != 2:
            return self.bad(number, "expected PATH ROLE, or api NAME route=...")
        path, role = words
        if role not in self.roles or role == "none":
            return self.bad(number, f"unknown role {role}: schema.h has {' '.join(self.roles[1:])}")
        if path.startswith("*."):
            if role not in PATTERN_ROLES:
                return self.bad(number, f"{role} must be given by path, never by name")
            if not any(f.name == path[2:] for f in self.fields.values()):
                return self.bad(number, f"no field is named {path[2:]}")
            self.patterns[path[2:]] = role
        elif path not in self.fields:
            self.bad(number, f"no such field: {path}")
        elif path in self.given:
            self.bad(number, f"{path} has a role already, in line {self.given[path]}")
        elif role == "own" and not why:
            self.bad(number, f"{path}: own needs a reason (# ...)")
        else:
            self.fields[path].role = role
            self.given[path] = number

    def api(self, number, words):
        name, options = words[0], dict(w.partition("=")[::2] for w in words[1:])
        pair = [m for m in self.messages if m.api == name]
        if len(pair) != 2 or name in self.apis:
            return self.bad(number, f"unknown or repeated API {name}")
        self.apis[name] = number
        route = options.pop("route", None)
        if route not in self.routes:
            return self.bad(number, f"{name}: route= must be one of {' '.join(self.routes)}")
        request, response = pair
        low, high = request.valid
        high -= request.unstable
        low, high = int(options.pop("min", low)), int(options.pop("max", high))
        if high > request.valid[1] or low > high and route != "internal":
            self.bad(number, f"{name}: min={low} max={high} is not within {request.valid}")
        for m in pair:
            m.route = route
            m.offered = (0, -1) if route == "internal" else (low, high)
        if ("split" in options) != ("merge" in options):
            self.bad(number, f"{name}: split= and merge= belong together")
        for m, key in ((request, "split"), (response, "merge")):
            if path := options.pop(key, None):
                self.split(number, m, path)
        if options:
            self.bad(number, f"{name}: unknown option {' '.join(options)}")

    def split(self, number, message, path):
        fields = message.fields
        if path.count(".") > 1:
            return self.bad(number, f"{message.name}.{path}: two levels at most (split.h)")
        for name in path.split("."):
            field = next((f for f in fields if f.name == name and f.array), None)
            if not field:
                return self.bad(number, f"{message.name}.{path}: {name} is not an array there")
            field.split, fields = True, field.fields

    def check(self):
        for m in self.messages:
            if m.api not in self.apis:
                self.problems.append(f"{self.path}: no line \"api {m.api} route=...\"")
            if m.route == "internal":
                continue
            for f in m.walk():
                if f.path not in self.given and (why := f.suspect()):
                    self.problems.append(f"{self.path}: {f.path} has no role, but {why}: give it "
                                         "one, or \"own\" and the reason why it may pass as it is")


# -- table.cpp ------------------------------------------------------------------------------------

def rows(messages):
    """Every struct's fields in one run; a struct's own fields follow those of its message."""
    table = []

    def add(fields):
        first = len(table)
        table.extend([f, 0, 0] for f in fields)
        for row in table[first:first + len(fields)]:
            if row[0].fields:
                row[1:] = add(row[0].fields), len(row[0].fields)
        return first

    return [(m, add(m.fields)) for m in messages], table


def span(v):
    return "{}" if v[1] < v[0] else f"{{{v[0]}, {v[1]}}}"


def flag(b):
    return "yes" if b else "no"


def table_cpp(messages, source):
    heads, table = rows(messages)
    titles = {first: m for m, first in heads if m.fields}
    out = [f"""// Kafka's messages as data, joined with roles.txt. Generated by generate.py: do not edit.
// Source: {source} ({len(messages)} messages, {len(table)} fields).
// clang-format off
#include "proxy/wire/schema.h"

#include <array>
#include <cstddef>

namespace shunt::wire {{
namespace {{

using T = Type;
using R = Role;
constexpr bool no = false, yes = true;

// name, type, array, role, versions, nullable, tagged, tag, split, default null, default, struct
constexpr Field field_table[] = {{"""]
    for i, (f, child, count) in enumerate(table):
        if i in titles:
            out.append(f"    // {titles[i].name}")
        out.append(f'    /* {i} */ {{"{f.name}", T::{f.kind}, {flag(f.array)}, R::{f.role}, '
                   f"{span(f.versions)}, {span(f.nullable)}, {span(f.tagged)}, {f.tag}, "
                   f"{flag(f.split)}, {flag(f.default_null)}, {f.number}, {child}, {count}}},")
    out.append("""};

// name, API key, request, route, valid, flexible, offered, fields
constexpr Message message_table[] = {""")
    for m, first in heads:
        out.append(f'    {{"{m.name}", {m.key}, {flag(m.request)}, Route::{m.route}, '
                   f"{span(m.valid)}, {span(m.flexible)}, {span(m.offered)}, {first}, {len(m.fields)}}},")
    keys = {m.key: i for i, (m, _) in enumerate(heads) if m.request}
    out.append(f"""}};

// API key -> its request in message_table; the response follows it. -1: no such API.
constexpr std::array<std::int16_t, {max(keys) + 1}> by_key = {{""")
    cells = [str(keys.get(k, -1)) for k in range(max(keys) + 1)]
    out += ["    " + ", ".join(cells[i:i + 16]) + "," for i in range(0, len(cells), 16)]
    out.append("""};

const Message* find(ApiKey api, std::ptrdiff_t which) {
  if (api < 0 || static_cast<std::size_t>(api) >= by_key.size()) return nullptr;
  const std::int16_t at = by_key[static_cast<std::size_t>(api)];
  return at < 0 ? nullptr : message_table + at + which;
}

}  // namespace

std::span<const Field> fields() { return field_table; }
std::span<const Message> messages() { return message_table; }
const Message* request(ApiKey api) { return find(api, 0); }
const Message* response(ApiKey api) { return find(api, 1); }

std::string_view api_name(ApiKey api) {
  const Message* m = request(api);
  if (m == nullptr) return "?";
  const std::string_view name = m->name;
  return name.substr(0, name.size() - std::string_view("Request").size());
}

}  // namespace shunt::wire
""")
    return "\n".join(out)


def main(args):
    if len(args) != 3:
        sys.exit(__doc__.strip())
    jar, roles, out = args
    try:
        messages = [Message(m) for m in load(jar)]
        problems = Roles(pathlib.Path(roles), messages).problems
    except Problem as e:
        problems = [str(e)]
    if problems:
        sys.exit("\n".join(problems))
    text = table_cpp(messages, pathlib.Path(jar).name)
    if out != "-":
        pathlib.Path(out).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
