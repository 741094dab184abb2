"""Hostile clients row by row: cause in the metric and in the log, and how many lines a flood of them leaves there."""

import re
import socket
import struct
import time
from collections import defaultdict

from hostile_frames import API_VERSIONS, API_VERSIONS_OF_LATER, GOOD, PLAIN_ROWS, ROWS
from wait import wait_for

MANY, PIPELINED = 1000, 100_000
ORDINARY_A_SECOND = 20  # lines of ordinary ends


def connect(shunt, **options):
    one = socket.socket()
    for name, value in options.items():
        one.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    one.settimeout(10)
    one.connect(("127.0.0.1", shunt.port))
    return one


def ended(one):
    """True when the other side has closed without a byte of an answer."""
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True


def lines(shunt, cause, seen=0):
    """The closing lines of a cause behind the first so many bytes of the log."""
    text = shunt.program.log.read_bytes()[seen:].decode(errors="replace")
    return [line for line in text.splitlines() if re.search(rf"client\.closed cause={cause}\b", line)]


def logged(shunt, cause, address):
    """The closing line of one connection; it is written behind the close."""

    def found():
        return next((line for line in lines(shunt, cause) if address in line), None)

    return wait_for(f"client.closed cause={cause} address={address}", found, 5, every=0.005)


def left_out(some):
    return sum(int(n) for line in some for n in re.findall(r"suppressed=(\d+)", line))


def log_size(shunt):
    return shunt.program.log.stat().st_size


def over(seconds, since):
    wait_for(f"{seconds} s are over", lambda: time.monotonic() - since > seconds, every=0.02)


def rounds(rows):
    """No two of a cause in one round: a second has one line of each."""
    by_cause = defaultdict(list)
    for row in rows:
        by_cause[row.ends].append(row)
    while any(by_cause.values()):
        yield [of.pop(0) for of in by_cause.values() if of]


def table(scene):
    shunt, problems = scene.shunt, []
    before, files = shunt.closed(), shunt.descriptors()
    for some in rounds(ROWS + PLAIN_ROWS):
        began = time.monotonic()
        for row in some:
            with connect(shunt) as one:
                address = "127.0.0.1:%d" % one.getsockname()[1]
                one.sendall(row.data)
                if not ended(one):
                    problems.append(f"{row.name}: answered")
            told = logged(shunt, row.ends, address)
            if row.says not in told:
                problems.append(f"{row.name}: logged {told!r}, expected {row.ends}: {row.says}")
        over(1.1, began)
    after = shunt.closed()
    for cause in {row.ends for row in ROWS + PLAIN_ROWS}:
        due = sum(row.ends == cause for row in ROWS + PLAIN_ROWS)
        if after[cause] - before[cause] != due:
            problems.append(f"metric of {cause}: {after[cause] - before[cause]}, {due} are due")
    wait_for("descriptors back", lambda: shunt.descriptors() <= files)
    scene.check("table", problems, f"{len(ROWS + PLAIN_ROWS)} bad frames, each closed, counted and logged with its cause")


def versions_of_later(scene):
    """KIP-511: an ApiVersions that is not known is answered in v0, error 35, with the versions to ask in."""
    with connect(scene.shunt) as one:
        one.sendall(API_VERSIONS_OF_LATER)
        answer = exactly(one, struct.unpack(">i", exactly(one, 4))[0])
        correlation, error, count, key, first, last = struct.unpack_from(">ihihhh", answer)
        one.sendall(API_VERSIONS)  # it goes on in v0, on the same connection
        again = exactly(one, struct.unpack(">i", exactly(one, 4))[0])
    problems = [] if (correlation, error, count, key, first) == (7, 35, 1, 18, 0) and last >= 3 else [answer.hex()]
    problems += [] if struct.unpack_from(">ih", again) == (7, 0) else [again.hex()]
    scene.check("KIP-511", problems, f"ApiVersions v99: error {error}, in v0, offers v{first}-{last}; then answered in v0")


def exactly(one, n):
    data = b""
    while len(data) < n:
        got = one.recv(min(n - len(data), 1 << 20))
        if not got:
            raise ConnectionError(f"closed, {n - len(data)} of {n} bytes missing")
        data += got
    return data


def slow_rows(scene):
    """Those that only stop, or crawl, or never read: all at once, to the limit of progress."""
    shunt, problems = scene.shunt, []
    before, seen = shunt.closed()["no_progress"], log_size(shunt)
    half, drip, deaf = connect(shunt), connect(shunt), connect(shunt, SO_RCVBUF=4096)
    half.sendall(GOOD[:7])
    deaf.setblocking(False)
    at, next_byte, began = 0, time.monotonic(), time.monotonic()
    pushed = 0

    def all_gone():
        nonlocal at, next_byte, pushed
        if time.monotonic() >= next_byte and at < len(GOOD) - 1:
            next_byte += 1
            try:
                drip.send(GOOD[at : at + 1])
                at += 1
            except OSError:
                pass
        try:
            pushed += deaf.send(API_VERSIONS * 1000)
        except OSError:
            pass
        return shunt.closed()["no_progress"] - before == 3

    wait_for("all three closed", all_gone, 15)
    took = time.monotonic() - began
    told = lines(shunt, "no_progress", seen)
    problems += [] if 1 <= len(told) <= 3 else told
    for one in (half, drip, deaf):
        one.close()
    scene.check(
        "slow", problems,
        f"half a header, a byte a second ({at} sent), answers never read ({pushed} bytes of requests taken): all closed after {took:.1f} s, {len(told)} lines",
    )  # fmt: skip


def floods(scene):
    """A thousand bad connections, a thousand that only come and go, and 10^5 requests at once."""
    shunt, problems = scene.shunt, []
    over(1.1, time.monotonic())  # lines of the rows before
    began, before, seen = time.monotonic(), shunt.closed(), log_size(shunt)
    for _ in range(MANY):
        with connect(shunt) as one:
            one.sendall(struct.pack(">i", 0))
            ended(one)
    took = time.monotonic() - began
    told = lines(shunt, "bad_frame", seen)
    over(1.1, time.monotonic())
    with connect(shunt) as one:
        one.sendall(struct.pack(">i", 0))
        ended(one)
    suppressed = wait_for("a line with suppressed=", lambda: left_out(lines(shunt, "bad_frame", seen)), 5)
    all_told = lines(shunt, "bad_frame", seen)
    counted = shunt.closed()["bad_frame"] - before["bad_frame"]
    problems += [] if counted == MANY + 1 else [f"metric: {counted}"]
    problems += [] if len(told) <= took + 2 else [f"{len(told)} lines in {took:.1f} s"]
    problems += [] if len(all_told) + suppressed == MANY + 1 else [f"{len(all_told)} lines, {suppressed} suppressed"]
    scene.check("1,000 bad", problems, f"closed in {took:.1f} s with {len(told)} lines; the next one says suppressed=, in all {suppressed}")

    began, seen = time.monotonic(), log_size(shunt)
    for _ in range(MANY):
        connect(shunt).close()
    due = before["client_closed"] + MANY
    wait_for("all are gone", lambda: shunt.closed()["client_closed"] >= due)
    took, told = time.monotonic() - began, lines(shunt, "client_closed", seen)
    problems = [] if len(told) <= ORDINARY_A_SECOND * (took + 2) else [f"{len(told)} lines"]
    scene.check("1,000 scans", problems, f"came and went in {took:.1f} s with {len(told)} lines")
    pipelined(scene)


def pipelined(scene):
    """All are answered, in order, whoever reads them late."""
    with connect(scene.shunt) as one:
        one.sendall(API_VERSIONS)
        size = 4 + struct.unpack(">i", exactly(one, 4))[0]
        exactly(one, size - 4)
        began = time.monotonic()
        one.setblocking(False)
        rest, wanted, got = memoryview(API_VERSIONS * PIPELINED), size * PIPELINED, 0
        while got < wanted and time.monotonic() - began < 30:
            moved = False
            try:
                rest = rest[one.send(rest[: 1 << 16]) :] if rest else rest
                moved = True
            except BlockingIOError:
                pass
            try:
                data = one.recv(1 << 20)
                if not data:
                    break
                got, moved = got + len(data), True
            except BlockingIOError:
                pass
            if not moved:
                one.setblocking(True)
                one.settimeout(10)
                got += len(one.recv(1 << 20))
                one.setblocking(False)
        took = time.monotonic() - began
    scene.check("10^5 requests", [] if got == wanted else [f"{got} of {wanted} bytes"], f"pipelined by one client, answered in {took:.1f} s")
