"""A crowd of bad clients in a process of its own: `crowd.py PORT COUNT`, then words on standard input, each answered by a line.

    open    COUNT connections: a third never say a word, a third stop in mid header, a third send a byte a second
    rage    besides, hostile frames of every kind, some dozens a second, and a client that never reads its answers
    calm    no more of these; the connections stay
    leave   every connection ends
"""

import select
import socket
import sys
import time
from collections import deque
from itertools import islice

from hostile_frames import API_VERSIONS, GOOD, PLAIN_ROWS, ROWS

EVERY = 0.02  # seconds between two hostile frames
SLICE = 0.004  # of a second: so often some of the slow ones send their byte, as they would: one here, one there


class Crowd:
    def __init__(self, port, count):
        self.at, self.count = ("127.0.0.1", port), count
        self.slow, self.all, self.deaf = deque(), [], []
        self.raging, self.turn, self.next_frame = False, 0, 0.0
        self.sent = {}

    def connect(self):
        one = socket.create_connection(self.at)
        one.setblocking(False)
        self.all.append(one)
        return one

    def open(self):
        for n in range(self.count):
            one = self.connect()
            if n % 3 == 1:
                one.send(GOOD[:7])
            elif n % 3 == 2:
                one.send(GOOD[:1])
                self.slow.append(one)
                self.sent[one] = 1

    def rage(self):
        self.raging = True
        one = self.connect()
        self.deaf.append(one)
        self.push(one)

    def push(self, one):
        """Requests whose answers nobody reads: as many as are taken."""
        try:
            while one.send(API_VERSIONS * 1000):
                pass
        except OSError:
            pass

    def calm(self):
        self.raging = False

    def leave(self):
        for one in self.all:
            one.close()
        self.slow, self.all, self.deaf, self.sent = deque(), [], [], {}

    def step(self):
        """What happens by itself, every SLICE."""
        share = min(len(self.slow), round(len(self.slow) * SLICE) or 1)
        for one in islice(self.slow, share):
            if self.sent[one] + 1 < len(GOOD):  # never the last byte
                self.sent[one] += 1
                try:
                    one.send(GOOD[self.sent[one] - 1 : self.sent[one]])
                except OSError:
                    pass  # its deadline has come
        self.slow.rotate(-share)
        if not self.raging or time.monotonic() < self.next_frame:
            return
        self.next_frame = time.monotonic() + EVERY
        rows = ROWS + PLAIN_ROWS
        row = rows[self.turn % len(rows)]
        self.turn += 1
        with socket.create_connection(self.at) as one:
            one.sendall(row.data)
        for one in self.deaf:
            self.push(one)


def main():
    crowd = Crowd(int(sys.argv[1]), int(sys.argv[2]))
    due = time.monotonic()
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ready:
            word = sys.stdin.readline().strip()
            if not word:
                return
            getattr(crowd, word)()
            print(word, flush=True)
        if time.monotonic() >= due:
            crowd.step()
            due = max(due + SLICE, time.monotonic())


if __name__ == "__main__":
    main()
