"""The loads: what one client does in a round, in slices; each slice tells how much it moved and how long it took."""

import time
from dataclasses import dataclass

from raw import (
    API_VERSIONS,
    BATCH,
    FETCH,
    IN_FLIGHT,
    LARGE,
    METADATA,
    PARTITIONS,
    PRODUCE,
    bases,
    expect_produced,
    fetch_body,
    frames,
    pipelined,
    produce_body,
)
from wire.records import batch, bulk

SLICES = 10  # of a round; between them it is the others' turn
BYTES_BULK, REQUESTS_SMALL = 7 * 2**20, 100  # in a slice
IN_ANSWER, ANSWERS = 9, 2  # whole batches of a partition in 1 MiB, and such answers in a slice


@dataclass
class Work:
    """What was moved in how many seconds."""

    amount: float = 0.0  # GB, or thousands of requests
    seconds: float = 0.0


class Load:
    """`slices` are a round's requests, encoded; `check` looks at the last answer of a slice."""

    slices_in_round, in_flight = SLICES, 1

    def round(self, client):
        """Yields the Work of each slice: the caller turns to the other targets in between."""
        for requests in self.slices(client):
            begin = time.perf_counter()
            sizes = pipelined(client, requests, self.in_flight)
            seconds = time.perf_counter() - begin
            yield Work(self.amount(requests, sizes), seconds)
            self.check(client, sizes[-1])

    def slices(self, client):
        return [self.requests(client, self.in_slice) for _ in range(self.slices_in_round)]


class BulkProduce(Load):
    """A batch for each of eight partitions in each request, five in flight."""

    unit, in_flight = "GB", IN_FLIGHT
    check = staticmethod(expect_produced)

    def __init__(self, name, size):
        self.name, self.in_slice = name, BYTES_BULK // (PARTITIONS * size)
        self.records = [batch([bulk(size, p)]) for p in range(PARTITIONS)]

    def requests(self, client, count):
        for p in range(PARTITIONS):
            client.acknowledged["bulk", p] += count
        return frames(client, "Produce", PRODUCE, [produce_body(client, "bulk", self.records)]) * count

    def amount(self, requests, _):
        return sum(map(len, requests)) / 1e9


class BulkFetch(Load):
    """Answers of 1 MiB from each of eight partitions."""

    name, unit, in_slice = "consume", "GB", ANSWERS
    most, least = 2**20, PARTITIONS * IN_ANSWER  # bytes asked of a partition, whole batches in an answer

    def requests(self, client, count):
        asked = [client.begin + n * IN_ANSWER for n in range(count)]
        bodies = [fetch_body(client, "filled", [at] * PARTITIONS, self.most) for at in asked]
        return frames(client, "Fetch", FETCH, bodies)

    def amount(self, _, sizes):
        return sum(sizes) / 1e9

    def check(self, client, size):
        """Every batch is there, with the offset that was asked for: also where it is another one on the cluster."""
        expect_fetched(client, size, client.begin + (self.in_slice - 1) * IN_ANSWER, self.least)


class LargeFetch(BulkFetch):
    """One answer of 50 MiB."""

    name, in_slice, slices_in_round = "50 MB fetch", 1, 2
    most, least = LARGE, LARGE // (BATCH + 200) - PARTITIONS


def expect_fetched(client, size, asked, least):
    whole = 0
    for part in client.decoded("Fetch", FETCH, size)["Responses"][0]["Partitions"]:
        got = list(bases(part["Records"] or b""))
        if part["ErrorCode"] or got != list(range(asked, asked + len(got))):
            raise RuntimeError(f"Fetch at {client.name}, offset {asked}: error {part['ErrorCode']}, batches at {got}")
        whole += len(got)
    if whole < least:
        raise RuntimeError(f"Fetch at {client.name}, offset {asked}: {whole} batches in {size} bytes, expected {least}")


class Small(Load):
    unit, in_slice = "1,000 requests", REQUESTS_SMALL

    def amount(self, requests, _):
        return len(requests) / 1000


class SmallProduce(Small):
    """One record of 100 bytes, acks=1, idempotent as ordinary producers are."""

    check = staticmethod(expect_produced)

    def __init__(self, in_flight=1):
        self.in_flight = in_flight
        self.name = f"small Produce, {in_flight} in flight"

    def requests(self, client, count):
        client.acknowledged["small", 0] += count
        first, client.sequence = client.sequence, client.sequence + count
        records = [batch([b"x" * 100], client.producer, 0, first + n) for n in range(count)]
        return frames(client, "Produce", PRODUCE, [produce_body(client, "small", [data]) for data in records])


class SmallFetch(Small):
    """The one record of a partition, again and again, answered at once."""

    name = "small Fetch"

    def requests(self, client, count):
        return frames(client, "Fetch", FETCH, [fetch_body(client, "one", [client.begin], 2**20)] * count)

    def check(self, client, size):
        expect_fetched(client, size, client.begin, 1)


class SmallMetadata(Small):
    """One topic of eight partitions."""

    name = "Metadata"

    def requests(self, client, count):
        body = {"Topics": [{"Name": client.topics + "bulk"}], "AllowAutoTopicCreation": False}
        return frames(client, "Metadata", METADATA, [body] * count)

    def check(self, client, size):
        topic = client.decoded("Metadata", METADATA, size)["Topics"][0]
        if topic["ErrorCode"] or len(topic["Partitions"]) != PARTITIONS:
            raise RuntimeError(f"Metadata at {client.name}: {topic}")


class SmallApiVersions(Small):
    name = "ApiVersions"

    def requests(self, client, count):
        body = {"ClientSoftwareName": "bench", "ClientSoftwareVersion": "1"}
        return frames(client, "ApiVersions", API_VERSIONS, [body] * count)

    def check(self, client, size):
        error = int.from_bytes(client.buffer[4:6], "big")  # its head never has tags
        if error:
            raise RuntimeError(f"ApiVersions at {client.name}: error {error}")


ORDINARY = BulkProduce("produce", 16 * 1024)  # the Java client's batches: requests of 128 KiB
TIMED = [
    ORDINARY,
    BulkProduce("produce, 880 KB requests", BATCH),
    BulkFetch(),
    LargeFetch(),
    SmallProduce(1),
    SmallProduce(IN_FLIGHT),
    SmallFetch(),
    SmallMetadata(),
]
PAIRED = [SmallApiVersions(), SmallProduce(1), SmallFetch(), SmallMetadata()]
COUNTED = [SmallProduce(1), SmallProduce(IN_FLIGHT), SmallFetch(), ORDINARY]
