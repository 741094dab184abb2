"""A broken broker for real: a relay before old lies to some (liar.py); their connection ends, everybody else goes on."""

import threading

from liar import LIES, Liar
from wait import wait_for
from wire.connection import Closed, Connection

LOST = {"half a header", "a byte a second", "closes in mid answer"}  # the rest is no answer: bad_answer


def broken_brokers(scene, limit):
    with Liar(scene.pair.old) as liar:
        shunt = scene.start("brokers", 15, old=liar.bootstrap, limits={"progress": limit})
        honest = scene.honest().start()
        with Connection("127.0.0.1", shunt.port) as first:  # its link is there before it is counted
            first.call("ListOffsets", 5, ask(scene))
            files, before = shunt.descriptors(), shunt.closed()
            ends = {}
            victims = [
                threading.Thread(target=lambda n=n: ends.update({n: victim(scene, n)})) for n in range(len(LIES))
            ]
            for one in victims:
                one.start()
            for one in victims:
                one.join()
            after = shunt.closed()
            problems = [f"{LIES[n][0]}: {end}" for n, end in ends.items() if end != "closed"]
            problems += [f"{name}: not told" for name, _, _ in LIES if name not in liar.told]
            due = {"link_lost": len(LOST), "bad_answer": len(LIES) - len(LOST)}
            seen = {cause: after[cause] - before[cause] for cause in due}
            problems += [] if seen == due else [f"causes {seen}, due {due}"]
            scene.check("broken broker", problems, f"{len(LIES)} lies, each ended its client's connection: {seen}")
            first.call("ListOffsets", 5, ask(scene))
        scene.unhurt("broken broker", honest)
        wait_for("descriptors back", lambda: shunt.descriptors() <= files)
        scene.check("broken broker", [], f"{files} file descriptors before, {shunt.descriptors()} after")
        scene.bounded("broken broker")


def ask(scene):
    partitions = [{"PartitionIndex": 0, "Timestamp": -1}]
    return {"ReplicaId": -1, "Topics": [{"Name": f"{scene.topic}-raw", "Partitions": partitions}]}


def victim(scene, number):
    with Connection("127.0.0.1", scene.shunt.port, client_id=f"victim-{number}", seconds=15) as one:
        try:
            return f"answered {one.call('ListOffsets', 5, ask(scene))}"
        except (Closed, ConnectionError):
            return "closed"
        except TimeoutError:
            return "silence"
