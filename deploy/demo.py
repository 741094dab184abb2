"""The demo's steps (deploy/demo calls it): one broker, Shunt, a topic, a consumer group and a producer, and what flowed."""
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


def show(command):
    print("\n$ " + " ".join(str(word) for word in command), flush=True)
    subprocess.run([str(word) for word in command], check=True)
    print(flush=True)


def received(path):
    return path.read_bytes().count(b"\n")


def flow(folder, bootstrap):
    """Sends RECORDS through the proxy with kcat and reads them with a kcat consumer group; returns how many came."""
    out = folder / "received"
    with open(out, "wb") as file, open(folder / "consumer.log", "wb") as log:
        consumer = subprocess.Popen(["kcat", "-b", bootstrap, "-u", "-X", "auto.offset.reset=earliest", "-G", "billing", TOPIC], stdout=file, stderr=log)
    try:
        records = "".join(f"order-{n}\n" for n in range(RECORDS))
        subprocess.run(["kcat", "-b", bootstrap, "-P", "-t", TOPIC], input=records, text=True, check=True, timeout=60)
        say(f"{RECORDS} records sent to {bootstrap}")
        try:
            wait_for("the consumer to read them all", lambda: received(out) >= RECORDS, 30)
        except TimeoutError as late:
            say(str(late))
    finally:
        consumer.terminate()
        consumer.wait(20)
    return received(out), len(set(out.read_text().split()))


def main():
    keep = "--keep" in sys.argv[1:]
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(130))
    folder = Path(tempfile.mkdtemp(prefix="shunt-demo-"))
    kafka = Cluster("kafka", "4.3.1", 19092, folder, brokers=1)
    shunt = Shunt(folder / "shunt", kafka.bootstrap)
    try:
        say(f"starting Kafka {kafka.version} at {kafka.bootstrap}")
        kafka.start()
        kafka.wait_ready()
        subprocess.run(java(kafka.version) + ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", kafka.bootstrap, "--create", "--topic", TOPIC,
                                              "--partitions", "3"], check=True, stdout=subprocess.DEVNULL, stderr=open(folder / "topic.log", "wb"))
        say(f"starting Shunt at {shunt.bootstrap} (its log: {shunt.program.log})")
        shunt.start()
        show(["kcat", "-b", shunt.bootstrap, "-L"])
        came, different = flow(folder, shunt.bootstrap)
        show([CTL, "--socket", shunt.socket, "status"])
        say(f"{RECORDS} sent, {came} received ({different} different), all through {shunt.bootstrap}")
        if keep:
            say(f"Kafka is at {kafka.bootstrap}, Shunt at {shunt.bootstrap}, its control socket is {shunt.socket}; Ctrl-C ends all")
            signal.pause()
        code = shunt.drain()
        say(f"SIGTERM: Shunt drained, exit {code}")
        return 0 if came == different == RECORDS and code == 0 else 1
    except KeyboardInterrupt:
        say("ending")
        return 0 if keep else 130
    finally:
        shunt.kill()
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
