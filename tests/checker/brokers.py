"""A cluster's partition logs and committed offsets, read at its brokers with the raw codec."""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "e2e"))

from wire.codec import RESPONSES  # noqa: E402
from wire.connection import Closed, Connection  # noqa: E402

from checker import batches  # noqa: E402
from checker.lines import BadInput  # noqa: E402

# Spoken by every broker from 2.8 to 4.3; Fetch still names topics.
VERSIONS = {
    "Metadata": 8,
    "ListOffsets": 5,
    "Fetch": 11,
    "FindCoordinator": 2,
    "OffsetFetch": 5,
}
FETCH_BYTES = 4 << 20
EARLIEST, LATEST = -2, -1
DEBUGGING = -2  # as this replica id ListOffsets tells the log end, not the high watermark
AGAIN = {3, 5, 6, 7, 9, 13, 14, 15, 16}  # errors of a cluster in motion
AGAIN_SECONDS = 0.2
GONE = (OSError, Closed)


class Brokers:
    """Asks leaders and coordinators; while the cluster moves, again and again for `seconds`."""

    def __init__(self, bootstrap, seconds=30):
        self.bootstrap, self.seconds = bootstrap.split(","), seconds
        self.open = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.open.values():
            connection.close()

    def call(self, address, api, body):
        try:
            if address not in self.open:
                host, _, port = address.rpartition(":")
                self.open[address] = Connection(host, int(port), client_id="checker")
            return self.open[address].call(api, VERSIONS[api], body)
        except Exception:
            broken = self.open.pop(address, None)
            if broken:
                broken.close()
            raise

    def anyone(self, api, body):
        for address in self.bootstrap:
            try:
                return self.call(address, api, body)
            except GONE as error:
                last = error
        raise last

    def patiently(self, what, attempt):
        """The first value that `attempt` returns; None and connection errors mean again."""
        deadline, problem = time.monotonic() + self.seconds, "not there, or moving,"
        while True:
            try:
                value = attempt()
                if value is not None:
                    return value
            except GONE as error:
                problem = error
            if time.monotonic() > deadline:
                raise BadInput(f"{what}: {problem} for {self.seconds} s")
            time.sleep(AGAIN_SECONDS)

    def leaders(self, topics):
        """{(topic, partition): address}; all partitions, each with a leader."""

        def attempt():
            seen = self.anyone("Metadata", {"Topics": [{"Name": t} for t in topics]})
            at = {b["NodeId"]: f"{b['Host']}:{b['Port']}" for b in seen["Brokers"]}
            found = {}
            for topic in seen["Topics"]:
                for p in topic["Partitions"]:
                    found[topic["Name"], p["PartitionIndex"]] = at.get(p["LeaderId"])
            errors = [t["ErrorCode"] for t in seen["Topics"]]
            return found if not any(errors) and all(found.values()) else None

        return self.patiently(f"leaders of {', '.join(topics)}", attempt)

    def leader(self, place):
        return self.leaders([place[0]])[place]

    def offset(self, place, which):
        def attempt():
            wanted = {"PartitionIndex": place[1], "CurrentLeaderEpoch": -1, "Timestamp": which}
            topic = {"Name": place[0], "Partitions": [wanted]}
            body = {"ReplicaId": DEBUGGING, "IsolationLevel": 0, "Topics": [topic]}
            answer = self.call(self.leader(place), "ListOffsets", body)
            return _good(place, answer["Topics"][0]["Partitions"][0], "Offset")

        return self.patiently(f"ends of {place}", attempt)

    def records(self, place):
        """(log start, log end) of a partition, then its records as rows, from start to end."""
        at, end = self.offset(place, EARLIEST), self.offset(place, LATEST)
        yield at, end
        while at < end:
            found, at = self.patiently(f"fetch of {place} at {at}", lambda: self._fetch(place, at))
            yield from (row for row in found if row["offset"] < end)

    def _fetch(self, place, at, size=FETCH_BYTES):
        partition = {
            "Partition": place[1],
            "CurrentLeaderEpoch": -1,
            "FetchOffset": at,
            "LogStartOffset": -1,
            "PartitionMaxBytes": size,
        }
        answer = self.call(
            self.leader(place),
            "Fetch",
            {
                "ReplicaId": -1,
                "MaxWaitMs": 100,
                "MinBytes": 1,
                "MaxBytes": size,
                "IsolationLevel": 0,
                "SessionId": 0,
                "SessionEpoch": -1,
                "Topics": [{"Topic": place[0], "Partitions": [partition]}],
            },
        )
        part = answer["Responses"][0]["Partitions"][0]
        data = _good(place, part, "Records")
        if not data:
            return None  # the high watermark is not yet at the log end
        found, after = batches.rows(data, at)
        if after is None or after <= at:
            raise BadInput(f"{place}: no whole batch at {at} in {len(data)} bytes")
        return found, after

    def committed(self, group):
        """Rows of all offsets that a group has committed."""

        def attempt():
            seen = self.anyone("FindCoordinator", {"Key": group, "KeyType": 0})
            if seen["ErrorCode"]:
                return None
            where = f"{seen['Host']}:{seen['Port']}"
            answer = self.call(where, "OffsetFetch", {"GroupId": group, "Topics": None})
            return answer if not answer["ErrorCode"] else None

        answer = self.patiently(f"offsets of {group}", attempt)
        for topic in answer["Topics"]:
            for p in topic["Partitions"]:
                if p["CommittedOffset"] >= 0:
                    yield {
                        "group": group,
                        "topic": topic["Name"],
                        "partition": p["PartitionIndex"],
                        "offset": p["CommittedOffset"],
                    }


def _good(place, part, key):
    """A field of a partition's answer; None while the cluster moves."""
    error = part["ErrorCode"]
    if error and error not in AGAIN:
        raise BadInput(f"{place}: error {error}")
    return None if error else part[key]


assert all(v in RESPONSES[api].valid for api, v in VERSIONS.items())
