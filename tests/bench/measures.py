"""CPU, rates, added latency and system calls. Each function yields figures: (measure, target, value).

`clients` are the targets' by name. CPU and latency are taken once a round, system calls once a run.
"""

import random
import re
import signal
import time
from contextlib import contextmanager
from statistics import quantiles

from cluster import Program
from raw import pipelined
from wait import wait_for

COUNTED_REQUESTS = 500


def shuffled(clients, turn):
    """In an order of each turn's own: a broker is quicker behind one target's request than behind another's."""
    names = list(clients)
    random.Random(turn).shuffle(names)
    return names


def timed(clients, turn, work):
    """What the proxy's processor does for it, and the rate; all targets in turn, slice by slice."""
    rounds = {name: work.round(clients[name]) for name in shuffled(clients, turn)}
    sums = {name: [0.0, 0.0, 0.0] for name in rounds}
    for _ in range(work.slices_in_round):
        for name, round in rounds.items():
            proxy = clients[name].proxy
            before = proxy.cpu() if proxy else 0.0
            done = next(round)
            cpu = proxy.cpu() - before if proxy else 0.0
            sums[name] = [a + b for a, b in zip(sums[name], (cpu, done.amount, done.seconds))]
    for name, round in rounds.items():
        if next(round, None) is not None:  # none: but now it has looked at its last answer, too
            raise RuntimeError(f"{work.name} at {name}: more than {work.slices_in_round} slices")
    bulk = work.unit == "GB"
    for name, (cpu, amount, seconds) in sums.items():
        if clients[name].proxy:
            yield f"CPU {'s/GB' if bulk else 'µs'}: {work.name}", name, cpu / amount * (1 if bulk else 1000)
        if bulk:
            yield f"MB/s: {work.name}", name, 1000 * amount / seconds
        elif work.in_flight > 1:
            yield f"requests/s: {work.name}", name, 1000 * amount / seconds


def paired(clients, turn, work, count):
    """One request at each target in turn. Added p50: the median of the differences to the direct one of the same turn.
    Not of targets that move topics: there is no direct one at their broker."""
    clients = {name: client for name, client in clients.items() if not client.topics}
    requests = {name: work.requests(client, count) for name, client in clients.items()}
    waits = {name: [] for name in clients}
    for n in range(count):
        for name in shuffled(clients, turn * count + n):
            client = clients[name]
            begin = time.perf_counter()
            client.connection.socket.sendall(requests[name][n])
            size = client.next_answer()
            waits[name].append(1e6 * (time.perf_counter() - begin))
            if n == count - 1:
                work.check(client, size)
    direct = waits["direct"]
    cuts = {name: quantiles(values, n=100) for name, values in waits.items()}
    yield f"p50 µs: {work.name}", "direct", cuts["direct"][49]
    yield f"p99 µs: {work.name}", "direct", cuts["direct"][98]
    for name in waits:
        if name != "direct":
            added = [a - b for a, b in zip(waits[name], direct)]
            yield f"added p50 µs: {work.name}", name, quantiles(added, n=100)[49]
            # Not of the differences: a direct request that was slow by chance would count for the proxy.
            yield f"added p99 µs: {work.name}", name, cuts[name][98] - cuts["direct"][98]


def system_calls(clients, work, folder):
    """Per request, counted by strace: a round of its own, as it slows the proxy. Its ticks and looks count, too."""
    for name, client in clients.items():
        if not client.proxy:
            continue
        requests = work.requests(client, COUNTED_REQUESTS)
        with counted(client.proxy.pid, folder) as calls:
            sizes = pipelined(client, requests, work.in_flight)
        work.check(client, sizes[-1])
        yield f"system calls: {work.name}", name, sum(calls.values()) / len(requests)
        for call, times in sorted(calls.items()):
            if times >= len(requests) / 100:
                yield f"{call}: {work.name}", name, times / len(requests)


@contextmanager
def counted(pid, folder):
    """Yields a dict that has the process's system calls by name once the block has ended."""
    calls, table = {}, folder / "strace.table"
    table.unlink(missing_ok=True)
    command = ["strace", "-f", "-c", "-U", "name,calls", "-o", str(table), "-p", str(pid)]
    tracer = Program("strace", command, folder / "strace.log")
    tracer.log.unlink(missing_ok=True)
    tracer.start()

    def attached():
        if not tracer.alive():
            raise RuntimeError(f"strace cannot attach to a process of ours:\n{tracer.tail()}")
        return "attached" in tracer.log.read_text()

    wait_for("strace to attach", attached, 20, every=0.05)
    yield calls
    tracer.kill(signal.SIGINT)
    for name, times in re.findall(r"^(\w+) +(\d+)$", table.read_text(), re.M):
        if name != "total":
            calls[name] = int(times)
