#!/usr/bin/env python3
"""Makes table.cpp and the golden files anew from the kafka-clients jar and compares.

usage: check.py DEPS [--update]     DEPS: folder with kafka-clients-*.jar and what it needs
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WIRE = HERE.parent.parent / "proxy" / "wire"


def make(deps, out):
    """Writes all generated files into the folder `out`."""
    jars = sorted(deps.glob("kafka-clients-*.jar"))
    if len(jars) != 1:
        sys.exit(f"{deps}: expected one kafka-clients-*.jar, found {len(jars)}: run deploy/setup")
    subprocess.run([sys.executable, WIRE / "generate.py", jars[0], WIRE / "roles.txt",
                    out / "table.cpp"], check=True)
    for program in ("GoldenFrames", "GoldenBatches"):
        subprocess.run(["java", "-cp", f"{deps}/*", HERE / f"{program}.java", out], check=True)


def first_difference(ours, theirs):
    a, b = ours.read_text().splitlines(), theirs.read_text().splitlines()
    for number, (x, y) in enumerate(zip(a, b), 1):
        if x != y:
            return f"line {number}: committed {x[:90]!r}, made {y[:90]!r}"
    return f"{len(a)} lines committed, {len(b)} made"


def main(args):
    update = "--update" in args
    folders = [a for a in args if not a.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__.strip())
    targets = {"table.cpp": WIRE, "frames.txt": HERE, "headers.txt": HERE, "batches.txt": HERE}
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        out = pathlib.Path(temporary)
        make(pathlib.Path(folders[0]), out)
        for name, folder in targets.items():
            if update:
                (folder / name).write_bytes((out / name).read_bytes())
            elif (folder / name).read_bytes() != (out / name).read_bytes():
                failed += 1
                print(f"{folder / name} is not what the jar gives: "
                      f"{first_difference(folder / name, out / name)}")
    if failed:
        sys.exit(f"{failed} files differ: if that is meant, {sys.argv[0]} {folders[0]} --update")
    done = "written" if update else "as the jar gives them"
    print(f"table.cpp and the golden files are {done}")


if __name__ == "__main__":
    main(sys.argv[1:])
