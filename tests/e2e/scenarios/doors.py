"""Scheme 1 through TLS: both clusters want client certificates, and Shunt asks its clients for theirs. Five libraries that verify
host names produce and consume through minted leaves while production goes to new, back and to new again, groups follow, and
finish; certificates are renewed in the middle of it. Each has its control at old's own TLS listener. Then what must not pass.
"""

import shutil
import signal
import subprocess

import access
import doors_shut
from client import Client, progress
from history import all_polled, judge
from migrate import Migration, create_on_both
from operate import create_topics
from pki import Pki
from sidecar import CTL
from wait import wait_for

KINDS = ("java", "librdkafka", "franz-go", "kafkajs", "kafka-python")
BY_NAME = ("librdkafka", "kafka-python")  # they know their bootstrap as localhost, the others by its address
SIDES = ("proxied", "direct")
PARTITIONS, RATE = 4, 20
NUMBER, TLS_NUMBER = 50, 51  # ports of the daemon


def run(pair, report):
    doors = Doors(pair, report)
    try:
        report.guard("doors", pair.name, "scene", doors.run, doors.clients.values, doors.shunt)
    finally:
        for client in doors.clients.values():
            client.end()
        doors.shunt.kill()


class Doors:
    def __init__(self, pair, report):
        self.pair, self.report, self.clients = pair, report, {}
        self.folder = pair.folder / "doors-pki"
        self.apps = Pki(self.folder, "apps-ca")  # of the applications, for Shunt to trust
        shunt = pair.pki.client("shunt")  # Shunt's own identity at the brokers
        self.cas = [self.make_ca(name) for name in ("first", "second")]
        self.trusted = self.folder / "trusted.pem"
        self.trusted.write_text("".join((ca / "shunt-ca.pem").read_text() for ca in self.cas))
        self.in_use = self.folder / "in-use"
        shutil.copytree(self.cas[0], self.in_use)
        self.tls_port = pair.shunt.port + TLS_NUMBER
        self.shunt = pair.own_shunt(
            "doors",
            NUMBER,
            old=pair.old.secure_bootstrap("TLS"),
            new=pair.new.secure_bootstrap("TLS"),
            access=[f"tls: {{ enabled: true, ca: {c.secure.ca}, certificate: {shunt.cert}, key: {shunt.key} }}"
                    for c in (pair.old, pair.new)],  # fmt: skip
            listen=f"tls: {{ address: 127.0.0.1:{self.tls_port}, mint_ca: {self.in_use}/shunt-ca.pem,"
            f" mint_key: {self.in_use}/shunt-ca.key, client_ca: {self.apps.ca}, client_auth: require }}",
            level="debug",
        )

    def make_ca(self, name):
        folder = self.folder / name
        subprocess.run([CTL, "ca", "--out", folder], check=True, capture_output=True)
        return folder

    def line(self, ok, who, text):
        return self.report.line(ok, "doors", self.pair.name, who, text)

    def topic(self, kind, side):
        return f"doors-{self.pair.old.version}-{kind}-{side}"

    def run(self):
        self.shunt.start()
        self.begin()
        migration = Migration(self.shunt, [self.topic(kind, "proxied") for kind in KINDS])
        migration.move("new")
        self.alive()
        migration.undo()
        self.renew()
        migration.move("new")
        self.alive()
        finished = migration.ask("finish", "--migration", migration.id)
        self.alive()
        self.line(
            finished["old_needed"] is False and len(finished["groups"]) == len(KINDS),
            "finish",
            f"hand-over {max(g['handover_ms'] for g in finished['groups'])} ms at most, old is needed no more",
        )
        doors_shut.clients(self)
        self.judge()
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")
        doors_shut.brokers(self)
        doors_shut.own_certificate(self)

    def begin(self):
        create_on_both(self.pair, [self.topic(kind, "proxied") for kind in KINDS], PARTITIONS)
        create_topics(self.pair.old, [self.topic(kind, "direct") for kind in KINDS], PARTITIONS)
        for kind in KINDS:
            user = f"app-{kind}"
            for resource in ("TOPIC", "GROUP"):
                access.allow(self.pair.old, user, self.topic(kind, "direct"), "ALL", kind=resource)
            host = "localhost" if kind in BY_NAME else "127.0.0.1"
            self.add(kind, "proxied", f"{host}:{self.tls_port}", self.trusted, self.apps.client(user, f"/O=Shop/CN={user}"))
            old = self.pair.old
            self.add(kind, "direct", old.secure_bootstrap("TLS"), old.secure.ca, self.pair.pki.client(user))
        for client in self.clients.values():
            client.wait("holds all partitions", lambda c: c.partitions() == PARTITIONS, 90)
        self.alive()
        self.known()

    def add(self, kind, side, bootstrap, ca, identity):
        topic = self.topic(kind, side)
        self.clients[kind, side] = client = Client(
            self.pair.folder / "clients", kind, side, f"doors-{kind}-{side}", bootstrap, roles="produce,consume", topic=topic,
            group=topic, partitions=PARTITIONS, members=1, rate=RATE, tls_ca=ca, tls_cert=identity.cert, tls_key=identity.key,
        )  # fmt: skip
        self.pair.clients.append(client)

    def alive(self):
        progress(self.clients.values(), PARTITIONS)

    def known(self):
        """`clients` shows the listener and who each is, by its certificate."""
        seen = {(c["listener"], c["principal"]) for c in self.shunt.ctl("clients")[1]["clients"]}
        self.line(
            seen == {("tls", f"User:CN=app-{kind},O=Shop") for kind in KINDS},
            "principals",
            ", ".join(sorted(f"{who} at {listener}" for listener, who in seen)),
        )

    # ---- renewal -----------------------------------------------------------------------------------------------------------
    def renew(self):
        """Other files, SIGHUP: new connections see the other CA, no connection ends; files that are no good change nothing."""
        before, issuers = self.connections(), [self.issuer()]
        for file in self.cas[1].iterdir():
            shutil.copy(file, self.in_use)
        self.hang_up("reloaded")
        issuers.append(self.issuer())
        (self.in_use / "shunt-ca.key").write_text("nothing\n")
        self.hang_up("reload.failed")
        issuers.append(self.issuer())
        shutil.copy(self.cas[1] / "shunt-ca.key", self.in_use)
        self.alive()
        lost = before - self.connections()
        self.line(
            not lost and issuers[0] != issuers[1] == issuers[2],
            "SIGHUP",
            f"{len(before)} connections, {len(lost)} ended; leaves by {issuers[0]}, then {issuers[1]}; with a bad key {issuers[2]}",
        )

    def hang_up(self, event):
        seen = self.shunt.program.log.stat().st_size
        self.shunt.program.process.send_signal(signal.SIGHUP)
        wait_for(event, lambda: f" {event} ".encode() in self.shunt.program.log.read_bytes()[seen:], 10, every=0.02)

    def connections(self):
        """Of clients, to the TLS port."""
        words = ["ss", "-tnH", "state", "established", "sport", "=", f":{self.tls_port}"]
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return {tuple(line.split()[2:4]) for line in listed.splitlines()}

    def issuer(self):
        """Who has signed the leaf that a new connection is shown."""
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}"]
        shown = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
        lines = [line for line in shown.stdout.splitlines() if line.startswith("issuer=")]
        return lines[0].removeprefix("issuer=") if lines else shown.stderr[-200:]

    # ---- end ---------------------------------------------------------------------------------------------------------------
    def judge(self):
        for client in self.clients.values():
            client.quiet()
        for client in self.clients.values():
            client.wait("has polled all", lambda c: all_polled([c]), 60)
            client.stop()
        for kind in KINDS:
            proxied, direct = (judge([self.clients[kind, side]]) for side in SIDES)
            self.report.compare("doors", self.pair.name, kind, proxied, direct, proxied.as_good_as(direct))
