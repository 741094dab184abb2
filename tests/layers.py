#!/usr/bin/env python3
"""Checks the layers: who includes whom, and that the pure ones have no sockets, clocks or chance.

usage: layers.py REPOSITORY | layers.py --self-test
"""
import pathlib
import re
import sys
import tempfile

# Each layer and the layers it may include (proxy/README.md).
ALLOWED = {
    "proxy/wire": {"proxy/wire"},
    "proxy/route": {"proxy/wire", "proxy/route"},
    "proxy/splice": {"proxy/wire", "proxy/route", "proxy/splice"},
    "proxy/observe": {"proxy/wire", "proxy/route", "proxy/observe"},
    "proxy/net": {"proxy/wire", "proxy/route", "proxy/splice", "proxy/observe", "proxy/net"},
    "control": {"proxy/wire", "proxy/route", "proxy/splice", "proxy/observe", "proxy/net", "control"},
}
PURE = ("proxy/wire", "proxy/route", "proxy/splice")
IMPURE = re.compile(
    r"boost/asio|steady_clock|system_clock|high_resolution_clock|random_device|\brand\(|\btime\(NULL"
    r"|\btime\(nullptr|clock_gettime|gettimeofday|<random>|<chrono>|sys/socket\.h|\bgetenv\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def problems(root):
    for layer, allowed in ALLOWED.items():
        for path in sorted((root / layer).glob("**/*.[hc]*")):
            if path.suffix not in (".h", ".cpp", ".hpp", ".cc"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                where = f"{path.relative_to(root)}:{number}"
                m = INCLUDE.match(line)
                if m and str(pathlib.PurePosixPath(m[1]).parent) not in allowed:
                    yield f"{where}: {layer} may not include {m[1]}"
                code = line.split("//")[0]
                if layer in PURE and IMPURE.search(code):
                    yield f"{where}: {layer} is pure: {IMPURE.search(code)[0]}"


def self_test():
    planted = {
        "proxy/wire/a.h": '#include "proxy/route/node.h"\n',
        "proxy/route/b.cpp": "auto t = std::chrono::steady_clock::now();\n",
        "proxy/splice/c.cpp": "#include <boost/asio/post.hpp>\n",
        "proxy/net/d.cpp": '#include "control/config.h"\n',
        "proxy/route/e.cpp": "std::random_device d;\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in planted.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = {p.split(":")[0] for p in problems(root)}
    missed = set(planted) - found
    if missed:
        sys.exit(f"layers.py does not find what it must: {sorted(missed)}")


def main():
    self_test()
    if sys.argv[1:] == ["--self-test"]:
        return
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found) if found else "layers: clean")
    sys.exit(1 if found else 0)


main()
