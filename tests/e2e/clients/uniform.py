"""What the Python client programs share: options, the uniform log, pacing, standard input (see README.md)."""

import json
import sys
import threading
import time

options = dict(arg.split("=", 1) for arg in sys.argv[1:])
client = options.get("client", "python")
quiet, stop = threading.Event(), threading.Event()
_output = threading.Lock()


def event(name, **fields):
    line = json.dumps({"time": round(time.time(), 3), "event": name, "client": client, **fields})
    with _output:
        print(line, flush=True)


def number(key, otherwise):
    return int(options.get(key, otherwise))


def settings(convert=lambda key: key):
    return {convert(k[2:]): _value(v) for k, v in options.items() if k.startswith("c.")}


def _value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def records():
    """Yields (partition, name, bytes) at the wanted rate until the count or `quiet`; logs each as sent."""
    partitions, rate, count = number("partitions", 1), number("rate", 100), number("count", 0)
    padding, begin, n = " " * number("size", 0), time.monotonic(), 0
    while not quiet.is_set() and (count == 0 or n < count):
        name = f"{client}:{n}"
        event("sent", topic=options["topic"], partition=n % partitions, value=name)
        yield n % partitions, name, (name + padding).encode()
        n += 1
        quiet.wait(max(0, begin + n / rate - time.monotonic()))


def run(library, version, produce, consume):
    """Runs the wanted roles until the end of standard input."""
    event("start", library=library, version=version)
    threads = []
    if "consume" in options["roles"]:
        threads += [
            threading.Thread(target=consume, args=(m,)) for m in range(number("members", 1))
        ]
    if "produce" in options["roles"]:
        threads.append(threading.Thread(target=produce))
    for thread in threads:
        thread.start()
    for line in sys.stdin:
        if line.strip() == "quiet":
            quiet.set()
    quiet.set()
    stop.set()
    for thread in threads:
        thread.join()
    event("closed")
