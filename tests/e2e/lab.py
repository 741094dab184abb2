"""The place the scenarios run in: three real clusters, two pairs of them behind one Shunt each, all in one namespace."""

import os
import shutil
import tempfile
from copy import copy
from pathlib import Path

import access
import counter
from client import Client
from cluster import Cluster
from operate import forget_seams
from pki import Pki
from sidecar import Shunt

USERS = {"alice": "alice-secret", "shunt": "shunt-secret"}  # of the listener LOGIN
OWN_NEW, OWN_NEW_RELAYED = 25092, [25152, 25153]  # ports of a new cluster that one scenario has alone


class Pair:
    """An old and a new cluster with their Shunt; clients are `proxied` through it or `direct` on old."""

    def __init__(self, folder, old, new, port, http, pki):
        self.name = f"{old.version}->{new.version}"
        self.folder, self.old, self.new = folder / f"pair-{old.version}", old, new
        self.shunt = Shunt(self.folder / "shunt", old.bootstrap, new.bootstrap, port, http)
        self.pki = pki  # whom the brokers' secure listeners trust, and who has signed their certificates
        self.clients = []
        self.everything = False  # also what only --all does

    def own_shunt(self, name, number, **options):
        """A daemon for one scenario, not started yet, on ports of its own; those before it have ended."""
        forget_seams(self.old, self.new)
        return Shunt(
            self.folder / name,
            options.pop("old", self.old.bootstrap),
            options.pop("new", self.new.bootstrap),
            self.shunt.port + number,
            self.shunt.http + number,
            **options,
        )

    def with_own_new(self, brokers):
        """The same with another new cluster, not started yet: for a scenario in which it dies."""
        own = copy(self)
        own.new = Cluster("own-new", self.new.version, OWN_NEW, self.folder, brokers, OWN_NEW_RELAYED[:brokers])
        return own

    def client(self, kind, side, name, shunt=None, **options):
        """Starts a client program, at the pair's Shunt or another; `name` is unique within the pair."""
        bootstrap = (shunt or self.shunt).bootstrap if side == "proxied" else self.old.bootstrap
        self.clients.append(
            Client(
                self.folder / "clients", kind, side, f"{name}-{kind}-{side}", bootstrap, **options
            )
        )
        return self.clients[-1]

    def of(self, name, kind, side):
        """The clients started so far under a name (its beginning), kind and side."""
        return [
            c for c in self.clients if c.name.startswith(name) and (c.kind, c.side) == (kind, side)
        ]


class Lab:
    def __init__(self, only=None):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="shunt-e2e-", dir=base))
        pki = Pki(self.folder / "pki")
        secure = access.secure(pki, USERS)
        new = Cluster("new", "4.3.1", 23092, self.folder, secure=secure)
        olds = [
            Cluster("old", "2.8.2", 19092, self.folder, advertise=[19152, 19153], secure=secure),
            Cluster("old", "3.9.2", 21092, self.folder, advertise=[21152, 21153], secure=secure),
        ]
        self.pairs = [
            Pair(self.folder, old, new, port, http, pki)
            for old, port, http in zip(olds, (9092, 9192), (9644, 9744))
            if only in (None, old.version)
        ]
        self.clusters = [pair.old for pair in self.pairs] + [new]

    def start(self):
        for cluster in self.clusters:
            cluster.start()
        for cluster in self.clusters:
            cluster.wait_ready()
        own_new = self.pairs[0].with_own_new(len(OWN_NEW_RELAYED)).new
        counter.install([port for cluster in (*self.clusters, own_new) for port in cluster.all_ports()])
        for pair in self.pairs:
            pair.shunt.start()

    def stop(self, keep):
        for pair in self.pairs:
            for client in pair.clients:
                client.end()
            pair.shunt.kill()
        for cluster in self.clusters:
            cluster.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
