"""What stands between client and broker: each kind of proxy with its configuration, its processor and what it has used.

proxy = haproxy(folder, port, to); proxy.start(); before = proxy.cpu(); ...; proxy.stop()
"""

import os
import re
import socket
import subprocess
from pathlib import Path

from cluster import DEPS, REPO, Program
from sidecar import BINARY, CTL, Shunt
from wait import wait_for

# All proxies run on one processor and the client on the others: what a wake-up costs hangs on where they are.
*OTHERS, PROCESSOR = sorted(os.sched_getaffinity(0))
RELAY = REPO / "build" / "shunt-bench-relay"
KROXYLICIOUS = REPO / "build" / "bench" / "kroxylicious"
CONNECTIONS_MAX = 6000  # of HAProxy; each needs two descriptors

HAPROXY = """\
global
  maxconn {connections}
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen kafka
  bind 127.0.0.1:{port}{tls}
  server broker 127.0.0.1:{to}
"""
KROXYLICIOUS_CONFIG = """\
virtualClusters:
  bench:
    targetCluster: {{ bootstrap_servers: 127.0.0.1:{to} }}
    clusterNetworkAddressConfigProvider:
      type: PortPerBrokerClusterNetworkAddressConfigProvider
      config: {{ bootstrapAddress: 127.0.0.1:{port}, brokerAddressPattern: 127.0.0.1, numberOfBrokerPorts: 3 }}
"""


class Proxy:
    """`rewrites`: it shows brokers at addresses of its own. `topics` begin with that in its clients' requests."""

    tls, topics, begin = False, "", 0  # `begin`: the first offset that can be fetched through it

    def __init__(self, name, port, program, rewrites=False):
        self.name, self.port, self.program, self.rewrites = name, port, program, rewrites
        program.command = ["taskset", "-c", str(PROCESSOR), *program.command]

    def start(self):
        self.program.start()
        wait_for(f"{self.name} to listen at {self.port}", self.listens, 30, every=0.05)

    def listens(self):
        if not self.program.alive():
            raise RuntimeError(f"{self.name} ended:\n{self.program.tail()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.program.kill()

    @property
    def pid(self):
        return self.program.process.pid

    def cpu(self):
        """CPU-seconds of all its threads so far, to the nanosecond (utime + stime of stat count in 10 ms)."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9

    def memory(self, field):
        """In bytes: VmRSS, what is resident now, or VmHWM, the most that ever was."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1))


def _folder(folder, name):
    own = folder / name.replace(" ", "-")
    own.mkdir()
    return own


def haproxy(folder, port, to, certificate=None):
    name = "haproxy TLS" if certificate else "haproxy"
    own = _folder(folder, name)
    tls = f" ssl crt {certificate}" if certificate else ""
    (own / "haproxy.cfg").write_text(HAPROXY.format(port=port, to=to, tls=tls, connections=CONNECTIONS_MAX))
    command = ["haproxy", "-db", "-f", str(own / "haproxy.cfg")]
    proxy = Proxy(name, port, Program(name, command, own / "log"))
    proxy.tls = bool(certificate)
    return proxy


def relay(folder, how, port, to):
    command = [str(RELAY), how, str(port), str(to)]
    return Proxy(how, port, Program(how, command, _folder(folder, how) / "log"))


def kroxylicious(folder, port, to):
    own = _folder(folder, "kroxylicious")
    (own / "config.yaml").write_text(KROXYLICIOUS_CONFIG.format(port=port, to=to))
    path = f"{KROXYLICIOUS}:{DEPS / 'kroxylicious-0.9.0'}/*"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    command = ["java", "-Xmx512m", "-XX:-UsePerfData", quiet, "-cp", path, "Kroxylicious", str(own / "config.yaml")]
    return Proxy("kroxylicious", port, Program("kroxylicious", command, own / "log"), rewrites=True)


class ShuntProxy(Proxy):
    """A daemon of this build, or of another binary."""

    def __init__(self, name, folder, port, http, old, new, binary=BINARY, listen=""):
        self.shunt = Shunt(folder / name.replace(" ", "-"), old, new, port, http)
        self.shunt.program.command[0] = str(binary)
        config = self.shunt.folder / "shunt.yaml"
        config.write_text(config.read_text().replace("control:", listen + "control:"))
        super().__init__(name, port, self.shunt.program, rewrites=True)

    def start(self):
        self.shunt.start()

    def stop(self):
        self.shunt.kill()

    def order(self, *words):
        code, answer = self.shunt.ctl(*words)
        if code:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit {code}: {answer}")

    def move(self, topics):
        """From then on these topics are written at new, and each batch that is fetched gets another offset."""
        topics = ",".join(topics)
        wait_for("the daemon to know the topics", lambda: self.knows(topics), 20, every=0.2)
        self.order("start", "--scheme", "1", "--topics", topics)
        self.order("move", "produce", "--to", "new")
        self.order("move", "fetch", "--all", "--to", "new")

    def knows(self, topics):
        return self.shunt.ctl("plan", "--scheme", "1", "--topics", topics)[0] == 0


def certificate(folder):
    """A self-signed one of an ordinary kind (as Shunt's own are: EC P-256), key and certificate in one file for HAProxy."""
    cert, key, both = (folder / name for name in ("tls.crt", "tls.key", "tls.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    return both


def with_tls(folder, old, new, ports):
    """HAProxy and Shunt terminating TLS: (proxies, why there are none). `ports`: HAProxy's, Shunt's TLS, plain and HTTP."""
    made = subprocess.run([str(CTL), "ca", "--out", str(folder)], capture_output=True, text=True)
    ca = ", ".join(f"mint_{what}: {folder}/shunt-ca.{end}" for what, end in (("ca", "pem"), ("key", "key")))
    listen = f"  tls: {{ address: 127.0.0.1:{ports[1]}, {ca} }}\n"
    shunt = ShuntProxy("shunt TLS", folder, *ports[2:], old.bootstrap, new.bootstrap, listen=listen)
    code, said = shunt.shunt.run("validate")
    if made.returncode or code:
        return [], (made.stderr or said).strip().removeprefix(f"{shunt.shunt.folder}/")
    shunt.port, shunt.tls = ports[1], True
    return [haproxy(folder, ports[0], old.ports[0], certificate(folder)), shunt], ""
