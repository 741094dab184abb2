"""5,000 slow and idle connections and hostile frames beside honest requests, in slices with and without; then no descriptors left."""

import resource
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from honest import HUNG, percentile
from wait import wait_for
from wire.connection import Connection

CROWD = 5000
SLICES, SECONDS = 3, 1.2
SLICES_WITH_ALL, SECONDS_WITH_ALL = 10, 3.0
PROGRAM = Path(__file__).resolve().parents[1] / "crowd.py"


class Crowd:
    def __init__(self, port):
        words = [sys.executable, "-u", str(PROGRAM), str(port), str(CROWD)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != f"{word}\n":
            raise RuntimeError(f"the crowd ended at {word!r}")

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def crowd_beside_honest(scene, honest):
    """Slices in turn: alone; the crowd at another daemon, which costs this machine as much; the crowd at this one."""
    everything = scene.pair.everything
    slices, seconds = (SLICES_WITH_ALL, SECONDS_WITH_ALL) if everything else (SLICES, SECONDS)
    here, elsewhere = scene.shunt, scene.another("elsewhere", 16)
    for _ in range(200):  # links, caches, the broker's own code
        honest.ask()
    files, waits = here.descriptors(), {"alone": [], "elsewhere": [], "here": []}
    crowds = {"elsewhere": (elsewhere, Crowd(elsewhere.port)), "here": (here, Crowd(here.port))}
    try:
        for _ in range(slices):
            waits["alone"] += honest.slice(seconds)
            for place, (shunt, crowd) in crowds.items():
                waits[place] += beside(shunt, crowd, honest, seconds)
    finally:
        for _, crowd in crowds.values():
            crowd.end()
    text = []
    for name, share in (("p50", 0.50), ("p99", 0.99)):
        alone, there, all_here = (percentile(of, share) * 1e6 for of in waits.values())
        text.append(f"{name} {alone:.0f} us alone, {there:.0f} with the crowd elsewhere, {all_here:.0f} with it here ({all_here / there:.2f})")
    slowest = max(waits["here"])
    problems = [f"an answer took {slowest:.1f} s"] if slowest >= HUNG else []
    counts = " + ".join(str(len(of)) for of in waits.values())
    scene.check("5,000 beside", problems, f"{counts} small requests in {slices} slices each: {'; '.join(text)}; slowest {slowest * 1000:.1f} ms")
    wait_for("descriptors back", lambda: here.descriptors() <= files)
    scene.check("5,000 beside", [], f"file descriptors: {files} before, {here.descriptors()} after")


def beside(shunt, crowd, honest, seconds):
    """A slice with the crowd at a daemon; none of it is turned away."""
    start = shunt.status()["connections"]
    crowd.do("open")
    wait_for("the crowd is in", lambda: shunt.status()["connections"] >= start + CROWD)
    crowd.do("rage")
    waits = honest.slice(seconds)
    still = shunt.status()["connections"]
    crowd.do("calm")
    crowd.do("leave")
    wait_for("the crowd is gone", lambda: shunt.status()["connections"] <= start)
    if still < start + CROWD:
        raise AssertionError(f"{still} connections of {start + CROWD}")
    return waits


@contextmanager
def descriptors_at_most(process, most):
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)


def out_of_descriptors(scene, honest):
    """Accepting pauses, who is connected goes on and reaches brokers it had no link to; later it goes on by itself."""
    shunt = scene.shunt
    body = {"ReplicaId": -1, "Topics": [
        {"Name": f"{scene.topic}-raw", "Partitions": [{"PartitionIndex": p, "Timestamp": -1} for p in range(4)]}]}  # fmt: skip
    early = Connection("127.0.0.1", shunt.port)  # connected, no link yet
    early.call("ApiVersions", 0, {})
    files, crowd, before = shunt.descriptors(), [], shunt.closed()
    with descriptors_at_most(shunt.program.process, files + 100):
        for _ in range(200):
            crowd.append(socket.create_connection(("127.0.0.1", shunt.port)))
        wait_for("accepting pauses", lambda: b"accept.paused" in shunt.program.log.read_bytes())
        full = shunt.descriptors()
        waits = honest.slice(1.5)  # over more than one attempt to accept
        codes = [p["ErrorCode"] for p in early.call("ListOffsets", 5, body)["Topics"][0]["Partitions"]]
        for one in crowd:
            one.close()
        with Connection("127.0.0.1", shunt.port, seconds=10) as late:  # nobody does anything
            late.call("ApiVersions", 0, {})
    early.close()
    after = shunt.closed()
    lost = {c: n - before[c] for c, n in after.items() if n != before[c] and c not in ("client_closed", "client_reset")}
    problems = [] if full < files + 100 else [f"{full} descriptors of {files + 100}"]
    problems += [f"ListOffsets: {codes}"] if any(codes) else []
    problems += [f"closed besides: {lost}"] if lost else []
    wait_for("descriptors back", lambda: shunt.descriptors() <= files)
    scene.check(
        "descriptors", problems,
        f"{files + 100} allowed: accepting paused at {full}, {len(waits)} honest requests meanwhile (slowest {max(waits) * 1000:.0f} ms), new links open; served again when some are free",
    )  # fmt: skip
