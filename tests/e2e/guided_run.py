"""One `shuntctl run`: its JSON lines while it goes, its end; or on a terminal of its own."""

import json
import os
import pty
import signal
import subprocess

from sidecar import CTL
from wait import wait_for


class GuidedRun:
    """`what` names its log; its lines are read while it runs."""

    def __init__(self, shunt, what, *words):
        self.what, self.log = what, shunt.folder / f"run-{what.replace(' ', '-')}.jsonl"
        self.errors = self.log.with_suffix(".err")
        command = [str(CTL), "--socket", str(shunt.socket), "-o", "json", "run", *words]
        with open(self.log, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def events(self):
        text = self.log.read_bytes()
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def seen(self, name, step=None):
        return [e for e in self.events() if e["event"] == name and step in (None, e["step"])]

    def wait(self, name, step=None, seconds=40):
        """Until it has said so; the first such line."""

        def said():
            found = self.seen(name, step)
            if not found and self.process.poll() is not None:
                raise RuntimeError(f"{self.what}: ended with {self.process.returncode} before {name}: {self.tail()}")
            return found

        return wait_for(f"{self.what}: {name} {step or ''}", said, seconds, every=0.02)[0]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self, seconds=60):
        """(exit code, its summary): the last line, and only that."""
        self.process.wait(seconds)
        events = self.events()
        if not events or events[-1]["event"] != "summary" or len(self.seen("summary")) != 1:
            raise RuntimeError(f"{self.what}: no summary at its end: {self.tail()}")
        if [e["seq"] for e in events] != list(range(1, len(events) + 1)):
            raise RuntimeError(f"{self.what}: numbers do not rise by one")
        if any(set(e) < {"api", "seq", "time", "event", "migration", "step"} for e in events):
            raise RuntimeError(f"{self.what}: a line lacks keys of the contract")
        return self.process.returncode, events[-1]

    def tail(self):
        return "\n".join(self.log.read_text().splitlines()[-3:] + [self.errors.read_text()[-500:]])


def told(shunt, *words):
    """For people, without a terminal: (exit code, stdout, stderr)."""
    command = [str(CTL), "--socket", str(shunt.socket), "run", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    return done.returncode, done.stdout, done.stderr


def on_terminal(shunt, answer, *words):
    """On a terminal, whose user answers its question: (exit code, all that the screen was sent)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(CTL), "--socket", str(shunt.socket), "run", *words],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    screen = b""
    try:
        while chunk := os.read(ours, 65536):
            asked = b"[y/N]" in screen
            screen += chunk
            if not asked and b"[y/N]" in screen:
                os.write(ours, answer.encode() + b"\n")
    except OSError:  # what a terminal says when nobody has it open any more
        pass
    finally:
        os.close(ours)
    return process.wait(30), screen.decode(errors="replace")
