"""One Shunt daemon: its config, its life (start, kill -9, drain) and its looking glass (shuntctl and HTTP).

shunt = Shunt(folder, old="127.0.0.1:19092", new="127.0.0.1:23092"); shunt.start(); shunt.status()
"""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from cluster import REPO, Program
from wait import wait_for

BINARY = REPO / "build" / "shunt"
CTL = REPO / "build" / "shuntctl"
CONFIG = """\
clusters:
  old: {{ bootstrap: [{old}]{old_access} }}
{new}listen:
  plain: 127.0.0.1:{port}
{listen}control: {{ socket: control.sock, http: 127.0.0.1:{http} }}
journal: journal
log: {{ level: {level} }}
move: {{ hold_limit: {hold_limit} }}
"""


class Shunt:
    def __init__(
        self, folder, old, new=None, port=9092, http=9644, level="info", hold_limit="2s", access=("", ""), listen="",
        limits=None,
    ):
        """`access`: more keys of clusters.old and .new ("tls: { ... }"); `listen`: more lines of that section; `limits`: some
        of its keys."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.http = port, http
        self.bootstrap = f"127.0.0.1:{port}"
        self.socket = self.folder / "control.sock"
        config = self.folder / "shunt.yaml"
        spaced = [text and text.replace(",", ", ") for text in (old, new)]
        old_access, new_access = (words and f", {words}" for words in access)
        second = f"  new: {{ bootstrap: [{spaced[1]}]{new_access} }}\n" if new else ""
        config.write_text(
            CONFIG.format(
                old=spaced[0],
                old_access=old_access,
                new=second,
                port=port,
                listen=listen and f"  {listen}\n",
                http=http,
                level=level,
                hold_limit=hold_limit,
            )
        )
        if limits:
            words = ", ".join(f"{key}: {value}" for key, value in limits.items())
            with open(config, "a") as more:
                more.write(f"limits: {{ {words} }}\n")
        self.program = Program(
            "shunt", [str(BINARY), "run", "-c", str(config)], self.folder / "shunt.log"
        )

    def start(self, seconds=15, **environment):
        """Starts the daemon, with these variables, and waits for its `ready` line."""
        self.program.log.touch()
        seen = self.program.log.stat().st_size
        self.program.start(**environment)

        def ready():
            fresh = self.program.log.read_bytes()[seen:].decode(errors="replace")
            if re.search(r"^\S+ \S+ ready\b", fresh, re.M):
                return True
            if not self.program.alive():
                raise RuntimeError(
                    f"shunt ended with {self.program.process.returncode}:\n{fresh[-2000:]}"
                )
            return False

        wait_for("shunt's `ready`", ready, seconds, every=0.02)
        return self

    def kill(self):
        """As a crash: SIGKILL."""
        self.program.kill(signal.SIGKILL)

    def drain(self, seconds=30):
        """SIGTERM; returns the exit code once it is gone."""
        self.program.kill(signal.SIGTERM, seconds)
        return self.program.process.returncode

    def run(self, command):
        """Runs another command of `shunt` on this configuration; returns (exit code, what it said)."""
        config = str(self.folder / "shunt.yaml")
        done = subprocess.run(
            [str(BINARY), command, "-c", config], capture_output=True, text=True, timeout=60, cwd=self.folder
        )
        return done.returncode, done.stdout + done.stderr

    def ctl(self, *words):
        """Runs shuntctl; returns (exit code, its JSON or None)."""
        done = subprocess.run(
            [str(CTL), "--socket", str(self.socket), "-o", "json", *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, None

    def get(self, path):
        """GET on control.http; returns (status code, text)."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.http}{path}", timeout=10
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def status(self):
        code, seen = self.ctl("status")
        if code != 0 or seen is None:
            raise RuntimeError(f"shuntctl status: exit {code}\n{self.program.tail()}")
        return seen

    def memory_high_kib(self):
        """The most resident memory it ever had (VmHWM)."""
        text = Path(f"/proc/{self.program.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1))

    def descriptors(self):
        """How many it has open."""
        return len(list(Path(f"/proc/{self.program.process.pid}/fd").iterdir()))

    def closed(self):
        """Client connections that have ended, by cause."""
        found = re.findall(r'shunt_client_closed_total\{cause="(\w+)"\} (\d+)', self.get("/metrics")[1])
        return {cause: int(count) for cause, count in found}
