"""What the relay does with a connection's bytes: frames pass in order unless a rule takes them.

Frames are streamed, never collected. An answer belongs to the request with its correlation id;
requests passed over had none (Produce with acks=0).
"""

import asyncio
import math
import socket
import struct
from collections import deque
from dataclasses import dataclass, field

CHUNK = 1 << 18
UNKNOWN = -1  # the API of an answer to no request of this connection, or of what is no frame
REQUESTS, ANSWERS = "requests", "answers"
FAREWELL_S = 5  # how long a closed connection is read on, for the other side to see no RST


@dataclass(eq=False)
class Rule:
    """Takes the n-th frame it selects from now on, then every `every`-th, `count` in all."""

    kind: str
    broker: int | None = None
    api: int | None = None
    way: str | None = None  # None: both
    n: int = 1
    every: int = 1
    count: float = math.inf
    then: str | None = None  # drop: what becomes of the connection
    ms: float = 0  # delay
    rate: float = 0  # throttle, bytes/s
    seen: int = 0
    taken: int = 0
    hits: int = 0  # those it is done with: a dropped frame's connection is closed by then
    due: dict = field(default_factory=dict)  # throttle: when (broker, way) is free again
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def selects(self, kind, way, api):
        return (
            self.kind == kind
            and self.broker in (None, way.connection.broker.id)
            and self.way in (None, way.name)
            and self.api in (None, api)
        )

    def takes(self):
        self.seen += 1
        past = self.seen - self.n
        takes = past >= 0 and past % self.every == 0 and self.taken < self.count
        self.taken += takes
        return takes


class Faults:
    """The rules in force, and those who wait for that or for a rule's hits to change."""

    def __init__(self):
        self.all, self.active, self.changed = [], [], asyncio.Event()

    def add(self, kind, **what):
        self.all.append(Rule(kind, **what))
        self.active.append(self.all[-1])
        self.notify()
        return len(self.all) - 1

    def end(self, rules):
        self.active = [r for r in self.active if r not in rules]
        for rule in rules:
            rule.over.set()
        self.notify()

    def notify(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def of(self, kind, way, api):
        return [r for r in self.active if r.selects(kind, way, api)]

    def taking(self, kind, way, api):
        """The rules that take this frame."""
        return [r for r in self.of(kind, way, api) if r.takes()]

    def done(self, rules):
        for rule in rules:
            rule.hits += 1
        if rules:
            self.notify()

    async def pause(self, rule, seconds):
        """Ends early with the rule."""
        try:
            await asyncio.wait_for(rule.over.wait(), max(0, seconds))
        except TimeoutError:
            pass


class Way:
    """One direction of a connection; `self.api` is the frame's under way, None between frames."""

    def __init__(self, name, connection, source, sink):
        self.name, self.connection, self.source, self.sink = name, connection, source, sink
        self.faults, self.stats = connection.faults, connection.broker.stats[name]
        self.data, self.api = bytearray(), None
        self.muted = False  # everything is read and thrown away
        self.orphan = False  # the source has been told goodbye: its errors mean the end

    async def run(self):
        try:
            while await self.frame():
                pass
            if self.data and not self.muted:
                await self.send(bytes(self.data))
            await self.gate()
            end(self.sink)
        except OSError:
            self.connection.cut("rst")

    async def frame(self):
        """Carries or drops the next one; False at the end of the stream."""
        if not await self.fill(4):
            return False
        size = int.from_bytes(self.data[:4], "big", signed=True)
        left = 4 + size if size >= 0 else math.inf
        await self.fill(min(left, 12))
        self.api, correlation = self.identify()
        self.faults.done(self.faults.taking("arrived", self, self.api))
        await self.gate()
        for rule in self.faults.taking("delay", self, self.api):
            await self.faults.pause(rule, rule.ms / 1000)
            self.faults.done([rule])
        drops = [] if self.muted else self.faults.taking("drop", self, self.api)
        if self.name == REQUESTS and not drops and not self.muted:
            self.connection.unanswered.append((correlation, self.api))
        while left > 0 and (self.data or await self.fill(1)):
            left -= await self.move(left, drop=bool(drops) or self.muted)
        if left > 0:
            return False
        if self.name == ANSWERS and self.api != UNKNOWN:
            self.connection.unanswered.popleft()
        lost = drops or self.muted
        self.stats["dropped" if lost else "frames"][self.api] += 1
        if not lost:
            self.faults.done(self.faults.taking("passed", self, self.api))
        self.api = None
        if drops:
            self.after(drops)
        return True

    def after(self, drops):
        """What becomes of the connection when a frame was dropped."""
        then = drops[0].then
        if then in ("fin", "rst"):
            self.connection.cut(then, drops)
            raise asyncio.CancelledError  # not a byte more
        if then == "zombie":
            self.connection.cut(then)
        else:
            self.muted = True
        self.faults.done(drops)

    def identify(self):
        """(api, correlation id) of the frame in front."""
        if self.name == REQUESTS:
            if len(self.data) < 12:
                return UNKNOWN, None
            api, _, correlation = struct.unpack_from(">hhi", self.data, 4)
            return api, correlation
        if len(self.data) < 8:
            return UNKNOWN, None
        correlation = struct.unpack_from(">i", self.data, 4)[0]
        return self.connection.asked(correlation), correlation

    async def fill(self, n):
        """Reads until n bytes are there; False when the end comes first."""
        loop = asyncio.get_running_loop()
        while len(self.data) < n:
            await self.gate()
            try:
                got = await loop.sock_recv(self.source, CHUNK)
            except OSError:
                if not self.orphan:
                    raise
                got = b""
            if not got:
                return False
            self.data += got
        return True

    async def move(self, left, drop):
        """Carries or drops a piece of the frame; returns its size."""
        await self.gate()
        throttles = self.faults.of("throttle", self, self.api)
        most = min([CHUNK] + [max(1, int(r.rate / 20)) for r in throttles])
        piece = bytes(self.data[: min(left, most)])
        del self.data[: len(piece)]
        for rule in throttles:
            await self.pace(rule, len(piece))
        if not drop:
            await self.send(piece)
        return len(piece)

    async def send(self, piece):
        try:
            await asyncio.get_running_loop().sock_sendall(self.sink, piece)
        except OSError:
            if not self.muted:  # else it was told goodbye within this frame
                raise
        self.stats["bytes"] += len(piece)

    async def pace(self, rule, size):
        now, place = asyncio.get_running_loop().time(), (self.connection.broker.id, self.name)
        rule.due[place] = max(now, rule.due.get(place, 0)) + size / rule.rate
        await self.faults.pause(rule, rule.due[place] - now)

    async def gate(self):
        """Waits while this way is half-open."""
        while self.faults.of("half_open", self, self.api):
            await self.faults.changed.wait()


class Connection:
    def __init__(self, broker, client, server):
        self.broker, self.faults, self.sockets = broker, broker.faults, (client, server)
        self.unanswered = deque()  # (correlation id, api) of the requests passed on, in order
        self.ways = [Way(REQUESTS, self, client, server), Way(ANSWERS, self, server, client)]
        self.how, self.cut_by, self.closed = "fin", [], asyncio.Event()
        self.tasks = [asyncio.create_task(way.run()) for way in self.ways]

    async def run(self):
        await asyncio.wait(self.tasks)
        for one in self.sockets:
            if self.how == "rst":
                reset(one)
            else:
                end(one)
        self.closed.set()
        self.faults.done(self.cut_by)
        if self.how != "rst":
            await asyncio.gather(*[farewell(one) for one in self.sockets])

    def asked(self, correlation):
        """The API of the request this answers, which is in front of `unanswered` from now on."""
        for passed, (waiting, api) in enumerate(self.unanswered):
            if waiting == correlation:
                for _ in range(passed):
                    self.unanswered.popleft()
                return api
        return UNKNOWN

    def cut(self, how, rules=()):
        """fin, rst: both sides. zombie: the client sees the end, what it has sent goes on."""
        if how == "zombie":
            requests, answers = self.ways
            requests.orphan = answers.muted = True
            end(answers.sink)
            return
        self.how, self.cut_by = how, [*self.cut_by, *rules]
        for task in self.tasks:
            task.cancel()


def end(one):
    try:
        one.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it is gone already


def reset(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


async def farewell(one):
    """Reads until the other side ends too: closing with unread bytes sends RST behind the FIN."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(FAREWELL_S):
            while await loop.sock_recv(one, CHUNK):
                pass
    except (OSError, TimeoutError):
        pass
    one.close()
