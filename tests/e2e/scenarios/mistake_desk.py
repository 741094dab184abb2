"""One daemon, those who ask it, and what its answers must be: the exit code, cause and remedy for people and for scripts,
and that nothing has moved.
"""

import json
import shlex
import subprocess
from contextlib import contextmanager

from operate import asleep
from sidecar import CTL
from wait import wait_for

NUMBER = 46
PERSON, SCRIPT = (), ("-o", "json")


def command(socket, words, flags=PERSON):
    return [str(CTL), "--socket", str(socket), *flags, *shlex.split(words)]


def ask(socket, words, flags=PERSON):
    """(exit code, stdout, stderr)"""
    done = subprocess.run(command(socket, words, flags), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def missing(phrases, text):
    return [f"{phrase!r} is not said" for phrase in phrases if phrase not in text]


def to_people(case, code, out, err):
    """What is wrong with what a person was told."""
    wrong = [f"exit {code}"] * (code != case.exit)
    if not case.code:
        return wrong + [f"stderr {err!r}"] * bool(err) + missing(case.cause, out)
    wrong += [f"stderr begins {err[:40]!r}"] * (not err.startswith("shuntctl: "))
    wrong += ["no `next:`"] * ("\nnext: " not in err)
    return wrong + missing(case.cause + case.mends, out + err)


def to_scripts(case, code, out, err):
    """What is wrong with what a script was told: one JSON object, an error with cause and remedy in their places."""
    wrong = [f"exit {code}"] * (code != case.exit)
    try:
        answer = json.loads(out)
    except ValueError:
        return [*wrong, f"stdout is not one JSON object: {out!r}"]
    wrong += ["more than a line"] * (out.count("\n") != 1) + ["no api 1"] * (answer.get("api") != 1)
    if not case.code:
        if "error" in answer or answer.get("changed", "migration" not in answer):
            return [*wrong, f"not idle: {answer}"]
        return wrong + ["to new"] * ("old" in case.cause and answer.get("to") != "old")
    if case.code == "running":  # contract.md: the move that goes on, no error
        return wrong + ["no `move`"] * ("move" not in answer or "error" in answer)
    error = answer.get("error", {})
    blockers = [*answer.get("blockers", []), error]
    said, remedy = (
        " ".join(str(b.get(key)) for b in blockers for key in keys)
        for keys in (("message", "where", "id", "target", "reason"), ("next", "fix"))
    )
    wrong += ["keys " + " ".join(error)] * (set(error) != {"code", "message", "where", "next"})
    wrong += [f"code {error.get('code')}"] * (error.get("code") != case.code)
    return wrong + missing(case.cause, said) + missing(case.mends, remedy)


class Desk:
    """One daemon, and who asks it."""

    def __init__(self, pair, report, name, **clusters):
        self.pair, self.report, self.clients = pair, report, []
        self.unready = "old" in clusters  # as long as old cannot be asked
        self.shunt = pair.own_shunt(name, NUMBER, **clusters)

    def guarded(self, name, body):
        def whole():
            self.shunt.program.start()
            wait_for("the daemon to answer", self.answers)
            body()

        try:
            self.shunt.program.log.touch()
            self.report.guard("mistakes", self.pair.name, name, whole, lambda: self.clients, self.shunt)
        finally:
            for client in self.clients:
                client.end()
            self.shunt.kill()

    def answers(self):
        code, seen = self.shunt.ctl("status")
        return code == 0 and (seen["ready"] or self.unready)

    def line(self, ok, who, text):
        return self.report.line(ok, "mistakes", self.pair.name, who, text)

    def all(self, rows):
        for case in rows:
            self.check(case)

    def check(self, case, socket=None, modes=(PERSON, SCRIPT), stands=None, ask=ask):
        """One line of the report. Where things stand is asked before and after, unless the daemon cannot be."""
        wrong, before = [], (stands or self.stands)()
        for mode in modes:
            code, out, err = ask(socket or self.shunt.socket, case.words, mode)
            found = (to_scripts if mode else to_people)(case, code, out, err)
            wrong += [f"{'script' if mode else 'person'}: {word}" for word in found]
        after = (stands or self.stands)()
        wrong += [f"moved: {before} -> {after}"] * (before != after)
        told = " | ".join((err or out).strip().splitlines()[:2])
        text = f"{case.what}: {told[:150]}"
        self.line(not wrong, case.code or "done", f"{text}\n     shuntctl {case.words}: {wrong}" if wrong else text)

    def answer(self, *words):
        code, answer = self.shunt.ctl(*words)
        if code or answer is None:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit {code}: {answer}")
        return answer

    def stands(self):
        """Every migration's moves (but those rolled back); each topic's `produce` and each group's `fetch`, but for those
        in no migration and at old: the daemon comes to know of them as time passes.
        """
        topics = {t["topic"]: (t["migration"], t["produce"]) for t in self.answer("topics")["topics"]}
        topics = {name: stands for name, stands in topics.items() if stands != (None, "old")}
        groups = {g["group"]: g["fetch"] for g in self.answer("groups")["groups"] if g["fetch"] != "old"}
        open_ones = {}
        for name in {migration for migration, _ in topics.values() if migration}:
            seen = self.answer("status", "--migration", name)["migration"]
            moves = [(m["move"], m["to"], m["undone"]) for m in seen["moves"] if not m["aborted_at"]]
            open_ones[name] = (moves, seen["state"] == "paused")
        return open_ones, topics, groups

    def step(self):
        return self.answer("status")["migration"]["step"]

    @contextmanager
    def asleep(self, cluster):
        """Until the daemon, too, has come to know that they are back."""
        with asleep(cluster):
            yield
        wait_for(f"{cluster.name} reached", lambda: self.answer("status")["clusters"][cluster.name]["reachable"], 30)

    def interrupted(self, words, flags, meanwhile):
        """As ask(), while something else is done; who is not answered then gives up after a while."""
        asking = subprocess.Popen(
            command(self.shunt.socket, words, flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            meanwhile()
            out, err = asking.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            return None, "", "no answer"
        finally:
            asking.kill()
            asking.wait()
        return asking.returncode, out, err
