"""An honest client on raw protocol: one small request after the other over one connection, each timed; it never connects again."""

import struct
import threading
import time

from wire.connection import Connection
from wire.records import batch

HUNG = 10.0  # seconds: an answer that takes longer will not come


class Honest:
    def __init__(self, shunt, topic):
        """Speaks to the leader of partition 0, at the address that Shunt shows for it."""
        with Connection("127.0.0.1", shunt.port) as first:
            seen = first.call("Metadata", 9, {"Topics": [{"Name": topic}]})
        leader = next(p["LeaderId"] for p in seen["Topics"][0]["Partitions"] if p["PartitionIndex"] == 0)
        at = next((b["Host"], b["Port"]) for b in seen["Brokers"] if b["NodeId"] == leader)
        self.connection = Connection(*at, client_id="honest", seconds=HUNG)
        produce = {"Acks": 1, "TimeoutMs": 5000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch([b"x" * 100])}]}]}  # fmt: skip
        ends = {"ReplicaId": -1, "Topics": [
            {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]}  # fmt: skip
        self.frames = [self.connection.frame("Produce", 9, produce, 1), self.connection.frame("ListOffsets", 5, ends, 1)]
        self.number, self.error, self.thread = 0, None, None
        self.waits, self.running = [], False

    def ask(self):
        """The seconds one request took; which it is takes turns."""
        self.number += 1
        frame = bytearray(self.frames[self.number % 2])
        struct.pack_into(">i", frame, 8, self.number)
        began = time.perf_counter()
        self.connection.socket.sendall(frame)
        correlation, _ = self.connection.answer()
        took = time.perf_counter() - began
        if correlation != self.number:
            raise AssertionError(f"answer {correlation} came, {self.number} is due")
        return took

    def slice(self, seconds):
        """The waits of as many as go into these seconds."""
        end, waits = time.monotonic() + seconds, []
        while time.monotonic() < end:
            waits.append(self.ask())
        return waits

    def start(self):
        """Asks in the background until stop()."""

        def body():
            try:
                while self.running:
                    self.waits.append(self.ask())
                    time.sleep(0.002)
            except Exception as error:  # whoever asks finds it
                self.error = repr(error)

        self.running = True
        self.thread = threading.Thread(target=body)
        self.thread.start()
        return self

    def stop(self):
        self.running = False
        self.thread.join()
        return self

    def close(self):
        self.connection.close()


def percentile(waits, share):
    ordered = sorted(waits)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
