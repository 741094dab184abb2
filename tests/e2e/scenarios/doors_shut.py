"""What TLS must not let pass, and that each says why: clients at Shunt's doors, brokers at the other side. And the door with a
certificate of its own instead of minted leaves, where a node is a port that takes TLS and plain."""

import json
import socket
import ssl
import struct
import subprocess
from pathlib import Path

from client import Client, progress
from history import all_polled, judge
from operate import create_topics
from pki import Pki
from wait import wait_for

PARTITIONS, RATE = 4, 20
OWN_NUMBER, OWN_TLS_NUMBER, OWN_PORTS = 52, 53, (60, 69)
BROKER_NUMBER, EXPIRED = 54, 55


# ---- clients -------------------------------------------------------------------------------------------------------------------
def clients(doors):
    """Who comes without a certificate, with a stranger's, without trust in ours, or in the other door's language."""
    trusted, app = doors.trusted, doors.apps.client("stray")
    stranger = Pki(doors.folder, "foreign-ca").client("stranger")
    tls, plain = f"127.0.0.1:{doors.tls_port}", doors.shunt.bootstrap
    rows = [
        ("none", tls, {"ca": trusted}, "tls_failed", "a client certificate is asked for"),
        ("a stranger's", tls, {"ca": trusted, "cert": stranger.cert, "key": stranger.key}, "tls_failed", "certificate"),
        ("no trust", tls, {"ca": doors.apps.ca, "cert": app.cert, "key": app.key}, "tls_failed", "does not trust our certificate"),
        ("plain at TLS", tls, {}, "tls_failed", "speak TLS on this port"),
        ("TLS at plain", plain, {"ca": trusted, "cert": app.cert, "key": app.key}, "", "TLS"),
    ]
    for what, bootstrap, files, cause, why in rows:
        seen = doors.shunt.program.log.stat().st_size
        served = []

        def told(seen=seen, bootstrap=bootstrap, files=files, served=served):
            served.append(_served(bootstrap, files))  # again: of one cause there is a line a second
            fresh = doors.shunt.program.log.read_bytes()[seen:].decode(errors="replace")
            return [line for line in fresh.splitlines() if " client.closed " in line and "cause=client_" not in line]

        lines = wait_for(f"{what}: the end of its connection", told, 10, every=0.3)
        ok = not any(served) and all(f"cause={cause}" in line and why in line for line in lines)
        said = [line.partition(" client.closed ")[2][:150] for line in lines]
        doors.line(ok, what, said[0] if ok else f"served: {served}; {said}")
        _settled(doors.shunt, bootstrap.rpartition(":")[2])


def _settled(shunt, port):
    """What a client that has ended left at the port is closed, and has its line: it is not for the next row to find."""
    words = ["ss", "-tnH", "state", "close-wait", "sport", "=", f":{port}"]

    def none_left():
        return not subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    wait_for("an ended client's connections to be closed", none_left, 10)
    shunt.get("/livez")  # one thread: whoever was closing has written his line


def _served(bootstrap, files):
    """Whether one connection, its host verified, gets an answer. (kcat makes further ones, and leaves them half way.)"""
    host, _, port = bootstrap.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 10) as plain:
            if not files:
                return _answered(plain)
            context = ssl.create_default_context(cafile=files["ca"])
            if "cert" in files:
                context.load_cert_chain(files["cert"], files["key"])
            with context.wrap_socket(plain, server_hostname=host) as secure:
                return _answered(secure)
    except OSError:  # TLS's errors, too
        return False


def _answered(connection):
    connection.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))  # ApiVersions v0, correlation 1, no client id
    return bool(connection.recv(1))


# ---- brokers -------------------------------------------------------------------------------------------------------------------
def brokers(doors):
    """What is wrong between Shunt and a cluster is said by /readyz, in a line."""
    old, pki = doors.pair.old, doors.pair.pki
    ca, shunt = old.secure.ca, pki.client("shunt")
    ours = f"certificate: {shunt.cert}, key: {shunt.key}"
    by_name, port = old.secure_bootstrap("TLS"), old.secure_ports["TLS"][0]
    expired = pki.server("expired", names=["localhost"], expired=True)
    over = doors.pair.shunt.port + EXPIRED
    rows = [
        ("no certificate", by_name, f"ca: {ca}", "a client certificate is asked for"),
        ("another CA", by_name, f"ca: {doors.apps.ca}, {ours}", "unable to get local issuer certificate"),
        ("another host", f"127.0.0.1:{port}", f"ca: {ca}, {ours}", "IP address mismatch"),
        ("a plain port", old.addresses[0], f"ca: {ca}, {ours}", "speak TLS on this port"),
        ("expired", f"localhost:{over}", f"ca: {ca}, {ours}", "certificate has expired"),
    ]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{over}", "-cert", expired.cert, "-key", expired.key, "-quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for what, bootstrap, files, why in rows:
            _refused(doors, what, bootstrap, files, why)
    finally:
        server.kill()
        server.wait(10)


def _refused(doors, what, bootstrap, files, why):
    shunt = doors.pair.own_shunt(
        f"doors-{what.replace(' ', '-')}", BROKER_NUMBER, old=bootstrap, new=None, access=[f"tls: {{ enabled: true, {files} }}", ""]
    )
    shunt.program.start()
    said = ""

    def told():
        nonlocal said
        try:
            status, said = shunt.get("/readyz")
        except OSError:  # not listening yet
            return False
        return status == 503 and why in said

    try:
        wait_for(f"{what}: /readyz says {why}", told, 10)
        doors.line(True, what, json.loads(said)["error"]["message"].partition("not known yet: ")[2][:150])
    except TimeoutError:
        doors.line(False, what, f"/readyz: {said.strip()[:300]}")
    finally:
        shunt.kill()


# ---- a certificate of its own --------------------------------------------------------------------------------------------------
def own_certificate(doors):
    """One certificate for all nodes, each a port of the host it names; who comes plain to such a port is served, too."""
    pair, pki = doors.pair, Pki(doors.folder / "own")
    itself = pki.server("shunt", names=["localhost"], addresses=["127.0.0.1"])
    base, first, last = pair.shunt.port, *OWN_PORTS
    topics = {name: f"doors-own-{pair.old.version}-{name}" for name in ("kafkajs", "librdkafka", "plain")}
    create_topics(pair.old, topics.values(), PARTITIONS)
    shunt = pair.own_shunt(
        "doors-own",
        OWN_NUMBER,
        listen=f"tls: {{ address: 127.0.0.1:{base + OWN_TLS_NUMBER}, certificate: {itself.cert}, key: {itself.key} }}\n"
        f"  advertise: {{ mode: address, host: localhost, ports: {base + first}-{base + last} }}",
    )
    started = []
    try:
        shunt.start()
        for name, topic in topics.items():
            tls = name != "plain"
            started.append(
                Client(
                    Path(pair.folder) / "clients", name if tls else "librdkafka", "proxied", f"doors-own-{name}",
                    f"127.0.0.1:{base + (OWN_TLS_NUMBER if tls else OWN_NUMBER)}", roles="produce,consume", topic=topic, group=topic,
                    partitions=PARTITIONS, members=1, rate=RATE, **({"tls_ca": pki.ca} if tls else {}),
                )  # fmt: skip
            )
        for client in started:
            client.wait("holds all partitions", lambda c: c.partitions() == PARTITIONS, 60)
        progress(started, PARTITIONS)
        listeners = sorted(c["listener"] for c in shunt.ctl("clients")[1]["clients"])
        for client in started:
            client.quiet()
        for client in started:
            client.wait("has polled all", lambda c: all_polled([c]), 30)
            client.stop()
        verdicts = [judge([client]) for client in started]
        doors.line(
            all(v.clean() for v in verdicts) and set(listeners) == {"plain", "tls"},
            "own certificate",
            f"{', '.join(f'{n}: {v}' for n, v in zip(topics, verdicts))}; listeners {', '.join(listeners)}",
        )
    finally:
        for client in started:
            client.end()
        shunt.kill()
