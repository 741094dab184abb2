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


def usage(why):
    print(f"usage: {why}", file=sys.stderr)
    sys.exit(2)


def choose(key, otherwise, *allowed):
    """An option that must be one of a few words."""
    value = options.get(key, otherwise)
    if value != otherwise and value not in allowed:
        usage(f"{key}={value}: this program knows {', '.join(allowed)}")
    return value


acks = choose("acks", "all", "0", "1", "all")
idempotent = choose("idempotent", "true" if acks == "all" else "false", "true", "false") == "true"
compression = choose("compression", None, "none", "gzip", "snappy", "lz4", "zstd")
group = options.get("group")  # without one a member reads the partitions 0 to partitions-1


sasl = choose("sasl", None, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
tls_ca, tls_cert, tls_key = (options.get(key) for key in ("tls_ca", "tls_cert", "tls_key"))
user, password = options.get("user"), options.get("password")
protocol = ("SASL_" if sasl else "") + ("SSL" if tls_ca else "PLAINTEXT")
if (tls_cert or tls_key) and not (tls_ca and tls_cert and tls_key):
    usage("tls_cert= and tls_key= want each other and tls_ca=")
if sasl and not (user and (password or sasl == "OAUTHBEARER")):
    usage(f"sasl={sasl} wants user= and password=")


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


def acked(topic, partition, offset, value):
    """Logs a record's place; its offset is null when nobody told it (acks=0)."""
    known = offset is not None and offset >= 0 and acks != "0"
    event("acked", topic=topic, partition=partition, offset=offset if known else None, value=value)


def run(library, version, produce, consume):
    """Runs the wanted roles until the end of standard input."""
    event("start", library=library, version=version, idempotent=idempotent)
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
