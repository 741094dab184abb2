"""Planted histories that look odd and must pass: what Kafka or the application itself may do."""

from planted.clean import row
from planted.table import P0, P1, back, plant


@plant("the clean history")
def _(h):
    pass


@plant("clean: no dump, no commits")
def _(h):
    h.dump, h.commits = [], None


@plant("clean: no segments, all in old")
def _(h):
    keep = h.dump, h.segments = [r for r in h.dump if r["topic"] == "audit"], None
    assert keep
    for name in ("p", "q"):
        h.logs[name] = [e for e in h.logs[name] if e.get("topic") != "orders"]
    h.logs["c1"], h.logs["c2"], h.commits = [], [], None


@plant("clean: a seek back, logged")
def _(h):
    back(h, seek=True)


@plant("clean: the application sent it twice")
def _(h):
    value = h.value(P0, 17)
    h.say("q", "sent", P0, value=value)
    h.say("q", "acked", P0, offset=18, value=value)
    h.dump.append(row("old", *P0, offset=10, value=value))


@plant("clean: failed, and stored all the same")
def _(h):
    h.say("q", "sent", P0, value="q:99")
    h.say("q", "error", what="produce", text="timed out", value="q:99")
    h.dump.append(row("old", *P0, offset=10, value="q:99"))


@plant("clean: a hole where nothing was acknowledged")
def _(h):
    for e in h.find("sent") + h.find("acked") + h.find("polled"):
        if e["topic"] == "orders" and e["partition"] == 1 and e.get("offset") == 17:
            e["offset"] = 18
    h.stored(P1, h.value(P1, 18))["offset"] = 9
    h.one("committed", place=P1, offset=18)["offset"] = 19
    h.commits[3]["offset"] = 10


@plant("clean: a topic that others write too", options={"others": ["orders"]})
def _(h):
    h.dump.append(row("old", *P0, offset=10, value="x:0"))


@plant("clean: killed before it could log its last commit")
def _(h):
    h.drop("committed", P1, offset=18)
    h.logs["c2"] = [e for e in h.logs["c2"] if e["event"] != "closed"]


@plant("clean: records of others outside the segments")
def _(h):
    h.dump += [row("old", *P1, offset=9, value="x:0"), row("new", *P0, offset=0, value="x:1")]


@plant("clean: retention took old's head")
def _(h):
    gone = [r for r in h.dump if (r["topic"], r["partition"], r["cluster"]) == (*P0, "old")]
    h.dump = [r for r in h.dump if r not in gone or r.get("offset", -1) >= 5]
    h.dump.append(row("old", *P0) | {"log_start": 5})


@plant("clean: unknown events and keys")
def _(h):
    h.say("c1", "weather", P0, sun=True)
    h.one("polled", place=P0, offset=3)["colour"] = "red"


@plant("clean: no group in the logs, one among the commits")
def _(h):
    for e in h.find("start"):
        e["group"] = None


@plant(
    "apart: a retry of a producer that is not idempotent", apart={"retry-dup": 1, "duplicate": 1}
)
def _(h):
    h.one("start", "q")["idempotent"] = False
    h.dump.append(row("old", *P0, offset=10, value=h.value(P0, 17)))


@plant("apart: the same past the seam", apart={"split-brain": 1})
def _(h):
    h.one("start", "q")["idempotent"] = False
    h.dump.append(row("old", *P1, offset=9, value=h.value(P1, 17)))


@plant("apart: acks=0", apart={"lost-write": 1, "unseen": 1})
def _(h):
    h.one("start", "q")["idempotent"] = False
    e = h.one("acked", place=P0, offset=17)
    e["offset"] = None
    h.dump.remove(h.stored(P0, e["value"]))
    h.drop("polled", P0, offset=17)
