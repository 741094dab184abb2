"""A raw client: its requests are encoded and its answer's buffer is made before any clock starts, so that it costs little."""

import ssl
import struct
from collections import Counter

from wire.codec import RESPONSES
from wire.connection import Connection
from wire.records import batch, bulk

PRODUCE, FETCH, METADATA, INIT_PRODUCER_ID, API_VERSIONS = 9, 11, 9, 4, 3  # all brokers from 2.8 on speak them
LIST_OFFSETS = 5
PARTITIONS = 8
BATCH = 110 * 1024  # a request of a batch per partition is below Java's max.request.size
LARGE = 50 * 2**20  # the large answer; FILL are the batches of each partition in the topic it comes from
FILL = LARGE // (PARTITIONS * BATCH) + 2
IN_FLIGHT = 5

TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


class Client:
    """One raw connection to the broker, straight or through a proxy; its own idempotent producer."""

    def __init__(self, name, port, proxy=None):
        self.name, self.proxy = name, proxy
        self.topics, self.begin = (proxy.topics, proxy.begin) if proxy else ("", 0)
        self.tls = bool(proxy and proxy.tls)
        self.bootstrap = ("127.0.0.1", port)
        self.find()
        with self.connect() as first:
            ids = first.call("InitProducerId", INIT_PRODUCER_ID, {"TransactionalId": None, "TransactionTimeoutMs": 60000})
        self.producer, self.sequence = ids["ProducerId"], 0
        self.acknowledged = Counter()  # records, by (topic without its prefix, partition)
        self.buffer = memoryview(bytearray(LARGE + 2**20))  # Kafka lets the last partition have a whole batch more
        self.reconnect()

    def find(self):
        """Where the topics' broker is shown; Kroxylicious has no address for it before somebody has asked."""
        self.at = self.bootstrap
        with self.connect() as first:
            seen = first.call("Metadata", METADATA, {"Topics": [{"Name": self.topics + "bulk"}]})
        if self.proxy and self.proxy.rewrites:
            leader = seen["Topics"][0]["Partitions"][0]["LeaderId"]
            broker = next(b for b in seen["Brokers"] if b["NodeId"] == leader)
            self.at = (broker["Host"], broker["Port"])

    def reconnect(self):
        self.connection = self.connect()

    def connect(self, **options):
        """Another connection to the same place."""
        made = Connection(*self.at, **options)
        if self.tls:
            made.socket = TLS.wrap_socket(made.socket)
        return made

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



def frames(client, api, version, bodies):
    return [client.connection.frame(api, version, body, n) for n, body in enumerate(bodies)]


def pipelined(client, requests, in_flight):
    """Sends all with so many in flight; the sizes of the answers."""
    sent, sizes = 0, []
    for received in range(len(requests)):
        while sent < len(requests) and sent < received + in_flight:
            client.connection.socket.sendall(requests[sent])
            sent += 1
        sizes.append(client.next_answer())
    return sizes


def produce_body(client, topic, records):
    """`records` is a record set for each partition."""
    parts = [{"Index": p, "Records": data} for p, data in enumerate(records)]
    return {"Acks": 1, "TimeoutMs": 30000, "TopicData": [{"Name": client.topics + topic, "PartitionData": parts}]}


def fetch_body(client, topic, offsets, most):
    parts = [{"Partition": p, "FetchOffset": at, "PartitionMaxBytes": most} for p, at in enumerate(offsets)]
    topics = [{"Topic": client.topics + topic, "Partitions": parts}]
    return {"MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": LARGE, "Topics": topics}


def expect_produced(client, size):
    answer = client.decoded("Produce", PRODUCE, size)
    errors = {p["ErrorCode"] for t in answer["Responses"] for p in t["PartitionResponses"]}
    if errors != {0}:
        raise RuntimeError(f"Produce at {client.name}: errors {errors}")


def bases(records):
    """The base offset of each whole batch."""
    at = 0
    while at + 12 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        at += 12 + length
        if at <= len(records):
            yield base


def produce_all(client, topic, records, times=1):
    request = frames(client, "Produce", PRODUCE, [produce_body(client, topic, records)])
    pipelined(client, request * times, IN_FLIGHT)
    for p in range(len(records)):
        client.acknowledged[topic, p] += times


def fill(client):
    """The topics that are read."""
    produce_all(client, "filled", [batch([bulk(BATCH, p)]) for p in range(PARTITIONS)], FILL)
    produce_all(client, "one", [batch([b"x" * 100])])


def ends(client, topic, partitions):
    """Where each partition ends, as its leader says."""
    asked = [{"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": -1} for p in range(partitions)]
    body = {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [{"Name": topic, "Partitions": asked}]}
    answer = client.connection.call("ListOffsets", LIST_OFFSETS, body)["Topics"][0]["Partitions"]
    return [p["Offset"] for p in sorted(answer, key=lambda p: p["PartitionIndex"])]
