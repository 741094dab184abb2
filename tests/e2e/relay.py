"""A TCP relay that knows Kafka frames and makes faults on demand, between a proxy and the brokers.

    relay.py SOCKET ID:PORT:TARGET...      prints `ready`; ends with its standard input

    SOCKET (JSON lines: command, answer) ─▶ Commands ─▶ Faults: the rules in force (relay_frames.py)
                                                          ▲ asked for every frame
    client ─▶ PORT: a Broker ─ Connection ─ Way requests ─┤──▶ TARGET
           ◀─────────────────────────────── Way answers ──┘◀──

One port per broker. relay_control.py has the commands as a Python class.
"""

import asyncio
import inspect
import json
import socket
import sys
from collections import Counter

from relay_frames import ANSWERS, REQUESTS, Connection, Faults, reset

WATCHES = ("arrived", "passed")


class Broker:
    """A listening port and the broker behind it."""

    def __init__(self, number, port, target, faults):
        self.id, self.port, self.target, self.faults = number, port, target, faults
        self.connections, self.listener, self.door = set(), None, None
        self.accepted = self.unreachable = 0
        self.stats = {
            way: {"frames": Counter(), "dropped": Counter(), "bytes": 0}
            for way in (REQUESTS, ANSWERS)
        }

    async def admit(self, how):
        """all; or reset: accepted and reset; silent: never accepted; closed: nobody listens."""
        if self.door:
            self.door.cancel()
            await asyncio.wait([self.door])
            self.door = None
        if how == "closed":
            if self.listener:
                self.listener.close()
            self.listener = None
            return
        if not self.listener:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            self.listener.setblocking(False)
        if how != "silent":
            self.door = asyncio.create_task(self.accept(how == "reset"))

    async def accept(self, refuse):
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.listener)
            if refuse:
                reset(client)
            else:
                spawn(self.serve(client))

    async def serve(self, client):
        server = socket.socket()
        server.setblocking(False)
        self.accepted += 1
        try:
            await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", self.target))
        except OSError:
            self.unreachable += 1
            server.close()
            reset(client)
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, client, server)
        self.connections.add(connection)
        spawn(connection.run())
        await connection.closed.wait()
        self.connections.discard(connection)


_tasks = set()


def spawn(body):
    """asyncio itself keeps no strong reference to a task."""
    task = asyncio.create_task(body)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def among(word, *words):
    if word not in words:
        raise ValueError(f"{word}: one of {words}")


class Commands:
    """The commands; relay_control.py says what each does."""

    def __init__(self, brokers, faults):
        self.brokers, self.faults = brokers, faults

    def chosen(self, broker):
        return [b for b in self.brokers if broker in (None, b.id)]

    def _add(self, kind, **what):
        among(what["way"], REQUESTS, ANSWERS, None)
        among(what["broker"], None, *[b.id for b in self.brokers])
        return self.faults.add(kind, **what)

    def drop(self, way, api, broker, n, count, every, then):
        among(then, "fin", "rst", "silent", "zombie")
        return self._add(
            "drop", way=way, api=api, broker=broker, n=n, count=count, every=every, then=then
        )

    def watch(self, way, api, broker, when):
        among(when, *WATCHES)
        return self._add(when, way=way, api=api, broker=broker)

    def delay(self, ms, way, api, broker):
        return self._add("delay", ms=ms, way=way, api=api, broker=broker)

    def throttle(self, rate, way, api, broker):
        return self._add("throttle", rate=rate, way=way, api=api, broker=broker)

    def half_open(self, way, api, broker):
        return self._add("half_open", way=way, api=api, broker=broker)

    async def cut(self, how, api, broker):
        """Returns when they are cut; with an api: those with an unanswered request of it."""
        among(how, "fin", "rst", "zombie")
        found = [
            c
            for b in self.chosen(broker)
            for c in b.connections
            if api is None or any(a == api for _, a in c.unanswered)
        ]
        for connection in found:
            connection.cut(how)
        if how != "zombie":
            await asyncio.gather(*[c.closed.wait() for c in found])
        return len(found)

    async def refuse(self, how, broker):
        among(how, "all", "reset", "silent", "closed")
        for one in self.chosen(broker):
            await one.admit(how)

    async def restore(self, rule):
        """One rule, or every fault; those who watch watch on."""
        self.faults.end(
            [r for r in self.faults.active if r.kind not in WATCHES]
            if rule is None
            else [self.faults.all[rule]]
        )
        if rule is None:
            await self.refuse("all", None)

    async def wait(self, rule, hits, seconds):
        """The rule's hits, once they are as many."""
        one = self.faults.all[rule]
        try:
            async with asyncio.timeout(seconds):
                while one.hits < hits:
                    await self.faults.changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{one.hits} of {hits} after {seconds} s: {one.kind}") from None
        return one.hits

    def stats(self):
        return {
            b.id: {
                "open": len(b.connections),
                "accepted": b.accepted,
                "unreachable": b.unreachable,
                **b.stats,
            }
            for b in self.brokers
        }

    async def serve(self, reader, writer):
        while line := await reader.readline():
            try:
                words = json.loads(line)
                answer = getattr(self, words.pop("command"))(**words)
                answer = {"ok": await answer if inspect.isawaitable(answer) else answer}
            except Exception as error:  # the one who asked is to know
                answer = {"error": type(error).__name__, "text": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()


async def main():
    path, *places = sys.argv[1:]
    faults = Faults()
    brokers = [Broker(*map(int, place.split(":")), faults) for place in places]
    for broker in brokers:
        await broker.admit("all")
    server = await asyncio.start_unix_server(Commands(brokers, faults).serve, path)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
