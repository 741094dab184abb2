"""The loads: what one client does over one raw connection in a round; each slice tells how much it moved and how long it took.

Requests are encoded and answers' buffers made before the clock starts, so that the client costs little and always the same.
"""

import struct
import time
from dataclasses import dataclass, field

from wire.codec import RESPONSES
from wire.connection import Connection
from wire.records import batch, bulk

PARTITIONS = 8
BATCH = 110 * 1024  # a request of a batch per partition is below Java's max.request.size
PRODUCE, FETCH, METADATA, INIT_PRODUCER_ID = 9, 11, 9, 4  # versions that all brokers from 2.8 on speak
SLICES = 10  # of a round; between them it is the others' turn
REQUESTS_BULK, REQUESTS_SMALL, IN_FLIGHT = 8, 100, 5  # in a slice
FILL, IN_ANSWER = 18, 9  # batches of each partition in the topic that is fetched, and whole ones in 1 MiB


@dataclass
class Work:
    """What was moved in how many seconds; `waits` are the seconds of each request alone, where one is in flight."""

    amount: float = 0.0  # GB, or thousands of requests
    seconds: float = 0.0
    waits: list = field(default_factory=list)


class Target:
    """Where a client connects to: a daemon, or the broker itself. `cpu` tells the CPU-seconds of the daemon so far."""

    def __init__(self, name, port, cpu=None):
        self.name, self.cpu = name, cpu
        with Connection("127.0.0.1", port) as first:
            seen = first.call("Metadata", METADATA, {"Topics": [{"Name": "bulk"}]})
            leader = seen["Topics"][0]["Partitions"][0]["LeaderId"]
            at = next(b for b in seen["Brokers"] if b["NodeId"] == leader)
            ids = first.call("InitProducerId", INIT_PRODUCER_ID, {"TransactionalId": None, "TransactionTimeoutMs": 60000})
        self.connection = Connection(at["Host"], at["Port"])
        self.producer, self.sequence = ids["ProducerId"], 0
        self.buffer = memoryview(bytearray(PARTITIONS * 2**20 + 2**16))

    def next_answer(self):
        """The size of the next answer, which is in the buffer from then on."""
        (size,) = struct.unpack(">i", self.connection.bytes(4))
        at = 0
        while at < size:
            got = self.connection.socket.recv_into(self.buffer[at:size])
            if not got:
                raise RuntimeError(f"{self.name} closed with {size - at} of {size} bytes missing")
            at += got
        return size

    def decoded(self, api, version, size):
        """What next_answer received; the head of flexible versions has an empty tag section."""
        flexible = version in RESPONSES[api].flexible
        return RESPONSES[api].decode(version, self.buffer[4 + flexible : size])


def produce_body(topic, records):
    """`records` is a record set for each partition."""
    parts = [{"Index": p, "Records": data} for p, data in enumerate(records)]
    return {"Acks": 1, "TimeoutMs": 30000, "TopicData": [{"Name": topic, "PartitionData": parts}]}


def fetch_body(topic, offsets, most):
    parts = [{"Partition": p, "FetchOffset": at, "PartitionMaxBytes": most} for p, at in enumerate(offsets)]
    return {"MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": 50 * 2**20, "Topics": [{"Topic": topic, "Partitions": parts}]}


def frames(target, api, version, bodies):
    return [target.connection.frame(api, version, body, n) for n, body in enumerate(bodies)]


def pipelined(target, frames, in_flight):
    """Sends all with so many in flight; the size of the last answer and of all."""
    sent = total = size = 0
    for received in range(len(frames)):
        while sent < len(frames) and sent < received + in_flight:
            target.connection.socket.sendall(frames[sent])
            sent += 1
        size = target.next_answer()
        total += size
    return size, total


def one_by_one(target, frames, waits):
    for frame in frames:
        sent = time.perf_counter()
        target.connection.socket.sendall(frame)
        size = target.next_answer()
        waits.append(time.perf_counter() - sent)
    return size


class Load:
    """`slices` are a round's requests, encoded; `send` sends one slice's and returns the size of the last answer."""

    def round(self, target):
        """Yields the Work of each slice: the caller turns to the other targets in between."""
        for requests in self.slices(target):
            work, begin = Work(), time.perf_counter()
            size = self.send(target, requests, work)
            work.seconds = time.perf_counter() - begin
            yield work
            self.check(target, size)


def expect_produced(target, size):
    answer = target.decoded("Produce", PRODUCE, size)
    errors = {p["ErrorCode"] for t in answer["Responses"] for p in t["PartitionResponses"]}
    if errors != {0}:
        raise RuntimeError(f"Produce at {target.name}: errors {errors}")


class BulkProduce(Load):
    """Batches for eight partitions in each request, five in flight."""

    unit, cost = "GB", "CPU s per GB produced"
    check = staticmethod(expect_produced)

    def __init__(self):
        self.body = produce_body("bulk", [batch([bulk(BATCH, p)]) for p in range(PARTITIONS)])

    def slices(self, target):
        return [frames(target, "Produce", PRODUCE, [self.body]) * REQUESTS_BULK] * SLICES

    def send(self, target, requests, work):
        work.amount = sum(map(len, requests)) / 1e9
        return pipelined(target, requests, IN_FLIGHT)[0]


class BulkFetch(Load):
    """A topic from its beginning to its end, 1 MiB of each of eight partitions in an answer."""

    unit, cost = "GB", "CPU s per GB fetched"

    def slices(self, target):
        bodies = [fetch_body("filled", [at] * PARTITIONS, 2**20) for at in range(0, FILL, IN_ANSWER)]
        return [frames(target, "Fetch", FETCH, bodies)] * SLICES

    def send(self, target, requests, work):
        size, total = pipelined(target, requests, 1)
        work.amount = total / 1e9
        return size

    def check(self, target, size):
        for part in target.decoded("Fetch", FETCH, size)["Responses"][0]["Partitions"]:
            if part["ErrorCode"] or len(part["Records"]) < IN_ANSWER * BATCH:
                raise RuntimeError(f"Fetch at {target.name}: {part['ErrorCode']}, {len(part['Records'])} bytes")


class Small(Load):
    unit = "1,000 requests"
    in_flight = 1

    def slices(self, target):
        return [self.requests(target, REQUESTS_SMALL) for _ in range(SLICES)]

    def send(self, target, requests, work):
        work.amount = len(requests) / 1000
        if self.in_flight == 1:
            return one_by_one(target, requests, work.waits)
        return pipelined(target, requests, self.in_flight)[0]


class SmallProduce(Small):
    """One record of 100 bytes, acks=1, idempotent as ordinary producers are."""

    check = staticmethod(expect_produced)

    def __init__(self, in_flight):
        self.in_flight = in_flight
        self.cost = f"CPU s per 1,000 small Produce, {in_flight} in flight"

    def requests(self, target, count):
        bodies = []
        for _ in range(count):
            records = batch([b"x" * 100], target.producer, 0, target.sequence)
            bodies.append(produce_body("small", [records]))
            target.sequence += 1
        return frames(target, "Produce", PRODUCE, bodies)


class SmallFetch(Small):
    """The one record of a partition, again and again, answered at once."""

    cost = "CPU s per 1,000 small Fetch"

    def requests(self, target, count):
        return frames(target, "Fetch", FETCH, [fetch_body("one", [0], 2**20)] * count)

    def check(self, target, size):
        part = target.decoded("Fetch", FETCH, size)["Responses"][0]["Partitions"][0]
        if part["ErrorCode"] or not part["Records"]:
            raise RuntimeError(f"Fetch at {target.name}: {part}")


class SmallMetadata(Small):
    """One topic of eight partitions."""

    cost = "CPU s per 1,000 Metadata"

    def requests(self, target, count):
        body = {"Topics": [{"Name": "bulk"}], "AllowAutoTopicCreation": False}
        return frames(target, "Metadata", METADATA, [body] * count)

    def check(self, target, size):
        topic = target.decoded("Metadata", METADATA, size)["Topics"][0]
        if topic["ErrorCode"] or len(topic["Partitions"]) != PARTITIONS:
            raise RuntimeError(f"Metadata at {target.name}: {topic}")


def prepare(target):
    """The topics that are read: filled through a direct connection."""
    records = [batch([bulk(BATCH, p)]) for p in range(PARTITIONS)]
    fill = frames(target, "Produce", PRODUCE, [produce_body("filled", records)])
    expect_produced(target, pipelined(target, fill * FILL, IN_FLIGHT)[0])
    one = frames(target, "Produce", PRODUCE, [produce_body("one", [batch([b"x" * 100])])])
    expect_produced(target, pipelined(target, one, 1)[0])
