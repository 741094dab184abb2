"""What a proxy holds: for connections that are idle, and for answers whose reader does not read.

Each proxy is started anew for it, as what it once took it may keep. Each function yields figures: (measure, target, value).
"""

import zlib

import raw
from load import expect_fetched
from wait import wait_for

HELD = 8
RECEIVE_BUFFER = 64 * 1024  # of a client that does not read: what the kernel holds is not the proxy's merit


def fresh(client):
    client.connection.close()
    client.proxy.stop()
    client.proxy.start()
    client.find()


def one_record(client, connection):
    body = raw.fetch_body(client, "one", [client.begin], 2**20)
    part = connection.call("Fetch", raw.FETCH, body)["Responses"][0]["Partitions"][0]
    if part["ErrorCode"] or not part["Records"]:
        raise RuntimeError(f"Fetch at {client.name} over another connection: {part}")


def idle(clients, counts):
    """Each connection has had one Fetch answered, so that it has a connection to the broker behind it."""
    for name, client in clients.items():
        if not client.proxy:
            continue
        fresh(client)
        base = client.proxy.memory("VmRSS")
        yield "MB RSS: fresh", name, base / 1e6
        connections = []
        for count in counts:
            while len(connections) < count:
                connections.append(client.connect(client_id="idle"))
                one_record(client, connections[-1])
            grown = client.proxy.memory("VmRSS")
            yield f"KB RSS per idle connection: {count:,}", name, (grown - base) / count / 1e3
            yield f"MB RSS: {count:,} idle connections", name, grown / 1e6
        for connection in connections:
            connection.close()
        client.reconnect()


def held(clients):
    """Eight clients ask for 50 MB and read only when the proxy does nothing any more; what they read is complete."""
    want = {}
    for name, client in clients.items():
        if client.proxy:
            fresh(client)
        base = client.proxy and client.proxy.memory("VmRSS")
        body = raw.fetch_body(client, "filled", [client.begin] * raw.PARTITIONS, raw.LARGE)
        readers = [client.connect(receive_buffer=RECEIVE_BUFFER) for _ in range(HELD)]
        for reader in readers:
            reader.send("Fetch", raw.FETCH, body)
        if client.proxy:
            wait_until_still(client.proxy)
        sums = set()
        for reader in readers:
            client.connection = reader
            size = client.next_answer()
            sums.add((size, zlib.crc32(client.buffer[:size])))
            reader.close()
        expect_fetched(client, size, client.begin, raw.LARGE // (raw.BATCH + 200) - raw.PARTITIONS)
        # The same bytes through each, except where they were renumbered.
        if len(sums) > 1 or want.setdefault(client.topics, sums) != sums:
            raise RuntimeError(f"50 MB fetches at {name} differ: {sums}, others got {want[client.topics]}")
        if client.proxy:
            yield f"MB RSS added: {HELD} held 50 MB fetches", name, (client.proxy.memory("VmHWM") - base) / 1e6
        client.reconnect()


def wait_until_still(proxy):
    """Its processor has done next to nothing for half a second."""
    seen = [proxy.cpu()]

    def still():
        seen.append(proxy.cpu())
        return len(seen) > 5 and seen[-1] - seen[-6] < 0.01

    wait_for(f"{proxy.name} to stop working on answers that nobody reads", still, 30, every=0.1)
