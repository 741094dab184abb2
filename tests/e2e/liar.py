"""A relay before a cluster that lies to some: a connection whose client id is `victim-N` gets lie N in place of its first answer.

    with Liar(cluster) as liar: ...     # liar.bootstrap: the cluster behind it; brokers advertise the relay's ports

Everybody else, Shunt's own connections among them, is passed on byte by byte.
"""

import socket
import struct
import threading
import time


def sized(n):
    return lambda answer: struct.pack(">i", n) + answer[4:]


def text(words):
    return lambda answer: words


# (name, what is sent in place of the whole answer, what comes after it); silence: the connection stays, nothing more comes.
LIES = [
    ("length 0", sized(0), "silence"),
    ("length -1", sized(-1), "silence"),
    ("2^31-1 bytes, another id", lambda a: struct.pack(">ii", 2**31 - 1, 99) + a[8:], "silence"),
    ("another correlation id", lambda a: a[:4] + struct.pack(">i", 99) + a[8:], "silence"),
    ("a body cut short", lambda a: struct.pack(">i", len(a) - 5) + a[4:-1], "silence"),
    ("2^31-1 elements", lambda a: a[:12] + struct.pack(">i", 2**31 - 1) + a[16:], "silence"),
    ("HTTP", text(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "silence"),
    ("half a header", lambda a: a[:6], "silence"),
    ("a byte a second", lambda a: a[:1], "drip"),
    ("closes in mid answer", lambda a: a[:-1], "close"),
]


def read(source, n):
    data = b""
    while len(data) < n:
        got = source.recv(n - len(data))
        if not got:
            raise ConnectionError("ended")
        data += got
    return data


def read_frame(source):
    size = read(source, 4)
    return size + read(source, struct.unpack(">i", size)[0])


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Liar:
    def __init__(self, cluster):
        self.places = list(zip(cluster.advertise, cluster.relayed_ports))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port, _ in self.places)
        self.listeners, self.told = [], []

    def __enter__(self):
        for port, target in self.places:
            listener = socket.create_server(("127.0.0.1", port), backlog=200)
            self.listeners.append(listener)
            threading.Thread(target=self.accept, args=(listener, target), daemon=True).start()
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def accept(self, listener, target):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, target), daemon=True).start()

    def serve(self, client, target):
        try:
            with client, socket.create_connection(("127.0.0.1", target)) as server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                first = read_frame(client)
                server.sendall(first)
                (length,) = struct.unpack_from(">h", first, 12)
                name = first[14 : 14 + max(length, 0)]
                if name.startswith(b"victim-"):
                    self.lie(client, read_frame(server), *LIES[int(name[7:])])
                    return
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                pump(server, client)
        except OSError:
            pass

    def lie(self, client, answer, name, instead, then):
        client.sendall(instead(answer))
        self.told.append(name)
        rest = answer[1:-1]
        while then == "drip" and rest:
            client.sendall(rest[:1])
            rest = rest[1:]
            time.sleep(1)
        if then != "close":
            client.recv(1)  # until Shunt has had enough
