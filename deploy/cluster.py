"""Real Kafka clusters on loopback, without Docker: 2.8.2 with ZooKeeper, 3.9.2 and 4.3.1 with KRaft.

    cluster = Cluster("old", "2.8.2", port=19092, folder=Path("/dev/shm/x")); cluster.start(); cluster.wait_ready()

Brokers have ids 1..n and listen at 127.0.0.1:port+id-1. In KRaft node 1 is also the controller, so the node to kill is
2. With advertise=[ports] each has a second listener at port+50+id-1 that names these ports instead: for a relay that
stands there. Brokers talk to each other at the first. With secure=Secure(...) each has also a listener TLS at
port+70+id-1 and LOGIN at port+80+id-1, and asks ACLs who may do what there (secure.py). The jars come from build/deps
(deploy/setup).
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import secure as security
from wait import wait_for

REPO = Path(__file__).resolve().parent.parent
DEPS = REPO / "build" / "deps"
CLUSTER_IDS = {"2.8.2": "", "3.9.2": "MzkyMzkyMzkyMzkyMzkyMw", "4.3.1": "NDMxNDMxNDMxNDMxNDMxNA"}

COMMON = """
auto.create.topics.enable=false
auto.leader.rebalance.enable=false
default.replication.factor={replicas}
{impatience}group.min.session.timeout.ms=1000
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=4000000
num.io.threads=4
num.network.threads=2
offsets.topic.num.partitions=8
offsets.topic.replication.factor={replicas}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
"""
ZOOKEEPER_BROKER = """
broker.id={id}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,RELAYED:PLAINTEXT{protocols}
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
zookeeper.connect=127.0.0.1:{controller_port}
zookeeper.session.timeout.ms=4000
"""
KRAFT_BROKER = """
node.id={id}
process.roles={roles}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,RELAYED:PLAINTEXT{protocols}
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""
ZOOKEEPER = """
dataDir={data}
clientPort={controller_port}
clientPortAddress=127.0.0.1
admin.enableServer=false
maxClientCnxns=0
tickTime=500
"""


def class_path(name):
    return f"{DEPS / name}/*"


def java(version, heap="320m"):
    """The command line of a Java program of that Kafka version: small heap, quick start."""
    kafka = REPO / "deploy" / "kafka"
    # Log4j's own complaints are not the program's: of a host whose name does not resolve, for one.
    logs = (
        [f"-Dlog4j2.configurationFile={kafka}/log4j2.xml", "-Dlog4j2.statusLoggerLevel=OFF"]
        if version[0] >= "4"
        else [f"-Dlog4j.configuration=file:{kafka}/log4j.properties"]
    )
    return [
        "java",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        *logs,
        "-cp",
        class_path(f"kafka-{version}"),
    ]


class Program:
    """One server process with its log file; killed and started again at will."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log, self.process = name, command, log, None

    def start(self, **environment):
        """With these variables beside those of this process."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.log.parent,
                start_new_session=True,
            )

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, sig=signal.SIGKILL, seconds=20):
        if self.alive():
            os.killpg(self.process.pid, sig)
            self.process.wait(seconds)

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Cluster:
    def __init__(self, name, version, port, folder, brokers=2, advertise=(), secure=None, settings=""):
        """`settings` are lines of its brokers' configuration."""
        self.name, self.version, self.port, self.size = name, version, port, brokers
        self.settings = settings
        self.folder = Path(folder) / f"{name}-{version}"
        self.ids = range(1, brokers + 1)
        self.ports = [port + i for i in range(brokers)]
        self.advertise = list(advertise)
        self.relayed_ports = [port + 50 + i for i in range(len(self.advertise))]
        self.secure = secure
        first = {"TLS": port + security.TLS, "LOGIN": port + security.LOGIN} if secure else {}
        self.secure_ports = {listener: [at + i for i in range(brokers)] for listener, at in first.items()}
        self.addresses = [f"127.0.0.1:{p}" for p in self.ports]
        self.bootstrap = ",".join(self.addresses)
        self.programs = {}

    def all_ports(self):
        """Where its brokers can be reached, also through a relay."""
        secure = [port for ports in self.secure_ports.values() for port in ports]
        return [*self.ports, *self.relayed_ports, *self.advertise, *secure]

    def secure_bootstrap(self, listener):
        """Of the listener "TLS" or "LOGIN", under the host's name that its certificate is for."""
        return ",".join(f"{security.HOSTS[listener]}:{port}" for port in self.secure_ports[listener])

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fields = {"controller_port": self.port + 100, "replicas": min(self.size, 3)}
        if self.version.startswith("2."):
            config = self._write("zookeeper", ZOOKEEPER)
            self._run(
                "zookeeper",
                java(self.version, "128m")
                + ["org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
            )
        for node in self.ids:
            self.start_node(node)

    def start_node(self, node):
        """Starts broker `node`, for the first time or again with its data."""
        name = f"broker-{node}"
        if name not in self.programs:
            run = java(self.version)
            listeners = self._listeners(self.ports, self.relayed_ports, node)
            advertised = self._listeners(self.ports, self.advertise, node, security.HOSTS)
            if self.version.startswith("2."):
                config = self._write(
                    name,
                    ZOOKEEPER_BROKER + COMMON + self.settings,
                    id=node,
                    listeners=listeners,
                    advertised=advertised,
                )
                command = run + ["kafka.Kafka", config]
            else:
                roles = "broker"
                if node == 1:
                    roles, listeners = (
                        "broker,controller",
                        f"{listeners},CONTROLLER://127.0.0.1:{self.port + 100}",
                    )
                config = self._write(
                    name,
                    KRAFT_BROKER + COMMON + self.settings,
                    id=node,
                    roles=roles,
                    listeners=listeners,
                    advertised=advertised,
                )
                tool = run + [
                    "kafka.tools.StorageTool",
                    "format",
                    "--ignore-formatted",
                    "-t",
                    CLUSTER_IDS[self.version],
                    "-c",
                    config,
                ]
                command = [
                    "sh",
                    "-c",
                    f"{_quoted(tool)} && exec {_quoted(run + ['kafka.Kafka', config])}",
                ]
            self.programs[name] = Program(name, command, self.folder / f"{name}.log")
        self.programs[name].start()

    def kill_node(self, node, sig=signal.SIGKILL):
        self.programs[f"broker-{node}"].kill(sig)

    def topology(self, topic=None):
        """What the cluster says of itself, through kcat: {brokers: [...], topics: [...]}; None while it is down."""
        command = ["kcat", "-b", self.bootstrap, "-L", "-J", "-m", "3"] + (
            ["-t", topic] if topic else []
        )
        done = subprocess.run(command, capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def leaders(self, topic):
        """{partition: leader}, or {} while unknown."""
        seen = self.topology(topic)
        return (
            {p["partition"]: p["leader"] for t in seen["topics"] for p in t.get("partitions", [])}
            if seen
            else {}
        )

    def in_sync(self):
        """True when every broker is there and every replica of every topic is in sync."""
        seen = self.topology()
        return (
            bool(seen)
            and len(seen["brokers"]) == self.size
            and all(
                p["leader"] > 0 and len(p["isrs"]) == len(p["replicas"])
                for t in seen["topics"]
                for p in t["partitions"]
            )
        )

    def wait_ready(self, seconds=90):
        def ready():
            for program in self.programs.values():
                if not program.alive():
                    raise RuntimeError(
                        f"{self.name} {program.name} ended ({program.log}):\n{program.tail()}"
                    )
            return self.in_sync()

        wait_for(
            f"{self.name} {self.version} up with {self.size} brokers", ready, seconds, every=0.3
        )

    def stop(self):
        for program in reversed(self.programs.values()):
            program.kill()

    def _listeners(self, plain, relayed, node, hosts=None):
        ports = [("PLAINTEXT", plain)] + [("RELAYED", relayed)] * bool(self.advertise)
        ports += self.secure_ports.items()
        return ",".join(f"{name}://{(hosts or {}).get(name, '127.0.0.1')}:{at[node - 1]}" for name, at in ports)

    def _run(self, name, command):
        self.programs[name] = Program(name, command, self.folder / f"{name}.log")
        self.programs[name].start()

    def _write(self, name, template, **fields):
        path = self.folder / f"{name}.properties"
        data = self.folder / f"{name}-data"
        # Groups begin at once at old, to save time; new has Kafka's default (3 s), which finish must not show to clients.
        impatience = "group.initial.rebalance.delay.ms=0\n" if self.name.startswith("old") else ""
        protocols = security.PROTOCOLS if self.secure else ""
        common = {"data": data, "impatience": impatience, "protocols": protocols, **self.fields}
        text = template.format(**common, **fields).strip() + "\n"
        if self.secure and name.startswith("broker"):
            text += self.secure.config(self.version)
        path.write_text(text)
        return str(path)


def _quoted(words):
    return " ".join("'" + str(word) + "'" for word in words)
