"""The demo's steps (deploy/demo calls it): one broker, Shunt, a topic, a consumer group, a producer,
and what flowed."""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster import Cluster, java
from sidecar import CTL, Shunt
from wait import wait_for

RECORDS = 1000
TOPIC = "orders"


def say(text):
    print(f"demo: {text}", flush=True)


def show(*command):
    print("\n$ " + " ".join(str(word) for word in command), flush=True)
    subprocess.run([str(word) for word in command], check=True)
    print(flush=True)


def create_topic(kafka, log):
    tool = java(kafka.version) + ["org.apache.kafka.tools.TopicCommand"]
    words = f"--bootstrap-server {kafka.bootstrap} --create --topic {TOPIC} --partitions 3".split()
    with open(log, "wb") as out:
        subprocess.run(tool + words, check=True, stdout=out, stderr=out)


def flow(folder, bootstrap, look):
    """Sends RECORDS with kcat, reads them with a kcat group, looks; returns how many lines came
    and how many different ones."""
    out = folder / "received"
    consume = f"kcat -b {bootstrap} -u -X auto.offset.reset=earliest -G billing {TOPIC}".split()
    with open(out, "wb") as file, open(folder / "consumer.log", "wb") as log:
        consumer = subprocess.Popen(consume, stdout=file, stderr=log)
    try:
        records = "".join(f"order-{n}\n" for n in range(RECORDS)).encode()
        produce = f"kcat -b {bootstrap} -P -t {TOPIC}".split()
        subprocess.run(produce, input=records, check=True, timeout=60)
        say(f"{RECORDS} records sent to {bootstrap}")
        try:
            all_here = lambda: out.read_bytes().count(b"\n") >= RECORDS  # noqa: E731
            wait_for("the consumer to read them all", all_here)
        except TimeoutError as late:
            say(str(late))
        look()
    finally:
        consumer.terminate()
        consumer.wait(20)
    lines = out.read_text().split()
    return len(lines), len(set(lines))


def run(folder, kafka, shunt, keep):
    say(f"starting Kafka {kafka.version} at {kafka.bootstrap}")
    kafka.start()
    kafka.wait_ready()
    create_topic(kafka, folder / "topic.log")
    say(f"starting Shunt at {shunt.bootstrap} (its log: {shunt.program.log})")
    shunt.start()
    show("kcat", "-b", shunt.bootstrap, "-L")

    def look():
        for command in ("status", "clients", "groups"):
            show(CTL, "--socket", shunt.socket, command)

    came, different = flow(folder, shunt.bootstrap, look)
    say(f"{RECORDS} sent, {came} received ({different} different), all through {shunt.bootstrap}")
    if keep:
        say(f"Kafka: {kafka.bootstrap}, Shunt: {shunt.bootstrap}, control socket: {shunt.socket}")
        say("Ctrl-C ends all")
        signal.pause()
    code = shunt.drain()
    say(f"SIGTERM: Shunt drained, exit {code}")
    return 0 if came == different == RECORDS and code == 0 else 1


def main():
    keep = "--keep" in sys.argv[1:]
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(130))
    folder = Path(tempfile.mkdtemp(prefix="shunt-demo-"))
    kafka = Cluster("kafka", "4.3.1", 19092, folder, brokers=1)
    shunt = Shunt(folder / "shunt", kafka.bootstrap)
    try:
        return run(folder, kafka, shunt, keep)
    except KeyboardInterrupt:
        say("ending")
        return 0 if keep else 130
    finally:
        shunt.kill()
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
