"""What an operator may get wrong, as tables: the words given to shuntctl, and what it must answer.

`cause` and `mends` are phrases: each `cause` is in the message (or its place, or a blocker), each `mends` in `next` (or in a
`fix`). With exit 0 nothing was to be done: `cause` is in what people are shown.
"""

from typing import NamedTuple

LIVE, OTHER, OLD_ONLY, SHAPE, TABLE = (
    f"mistakes-{name}" for name in ("live", "other", "old-only", "shape", "table")
)
GROUP, OUTSIDE = "mistakes-group", "mistakes-outside"
PARTITIONS = 3
DONE, FAILED, USAGE, BLOCKED, ABORTED, TIMED_OUT, UNREACHABLE = range(7)


class Mistake(NamedTuple):
    what: str
    words: str
    exit: int
    code: str = ""  # of the error; none: nothing was to be done
    cause: tuple = ()
    mends: tuple = ()


def usage(what, words, cause, mends):
    return Mistake(what, words, USAGE, "usage", cause, mends)


def blocked(what, words, cause, mends):
    return Mistake(what, words, BLOCKED, "blocked", cause, mends)


def idle(what, words, *shown):
    return Mistake(what, words, DONE, "", shown)


def start(topics, *flags, scheme=1, command="start"):
    return " ".join((command, f"--scheme {scheme} --topics {topics}", *flags))


HELP = ("--help",)
TOPICS = ("--topics",)

# Without a migration.
WORDS = [
    usage("misspelt command", "strat", ("no such command: strat",), HELP),
    usage("half a command", "move", ("subcommand",), ("shuntctl move --help",)),
    usage("command that is not there", "move sideways", ("move sideways",), ("shuntctl move --help",)),
    usage("misspelt flag", start(LIVE, "--accept-histroy"), ("--accept-histroy",), ("start --help",)),
    usage("no scheme", f"start --topics {LIVE}", ("--scheme",), ("start --help",)),
    usage("scheme 4", start(LIVE, scheme=4), ("--scheme", "1 to 3"), ("start --help",)),
    Mistake("scheme 2", start(LIVE, scheme=2), FAILED, "not_implemented", ("scheme 2",), ("--scheme 1",)),
    Mistake("scheme 3", start(LIVE, scheme=3), FAILED, "not_implemented", ("scheme 3",), ("--scheme 1",)),
    usage("no topics", "start --scheme 1", TOPICS, ("start --help",)),
    usage("topics of an empty shell variable", start("''"), ("topics",), HELP),
    usage("run of nothing", "run --yes", ("--scheme", "--topics", "--migration"), ("run --help",)),
    usage("run with nobody to ask", start(LIVE, command="run"), ("--yes", "terminal"), ("shuntctl plan",)),
    usage("soak without a canary", start(LIVE, "--yes", "--soak 5s", command="run"), ("--soak", "--canary"), HELP),
    usage("lag below nothing", start(LIVE, "--yes", "--max-lag -1", command="run"), ("--max-lag",), HELP),
    Mistake("run of scheme 2", start(LIVE, "--yes", command="run", scheme=2), FAILED, "not_implemented",
            ("scheme 2",), ("--scheme 1",)),
    usage("time without a unit", "--timeout 5 status", ("--timeout", "500ms"), HELP),
    usage("groups not said", "move fetch", ("--group", "--all"), HELP),
    usage("groups said twice", f"move fetch --all --group {GROUP}", ("--group", "--all"), HELP),
    usage("skip without leaving", "undo --skip-unreachable", ("--skip-unreachable", "--without-new"), HELP),
    usage("an offset that is none", "offsets translate nonsense", ("TOPIC:PARTITION:OFFSET",), HELP),
    usage("a negative partition", f"offsets translate {LIVE}:-1:0", ("TOPIC:PARTITION:OFFSET",), HELP),
]
TOPIC_LISTS = [
    usage("topic that old lacks", start("mistakes-nowhere"), ("old has no topic mistakes-nowhere",), TOPICS),
    usage("run of a topic that old lacks", start("mistakes-nowhere", "--yes", command="run"),
          ("old has no topic mistakes-nowhere",), TOPICS),
    usage("one of two topics", start(f"{LIVE},mistakes-nowhere"), ("old has no topic mistakes-nowhere",), TOPICS),
    usage("glob without a match", start("'mistakes-none*'"), ("matches mistakes-none*",), TOPICS),
    usage("glob of internal topics", start("'__consumer*'"), ("__consumer*", "internal"), TOPICS),
    usage(
        "internal topic", start("__consumer_offsets", "--accept-history", command="plan"),
        ("__consumer_offsets", "internal"), TOPICS,
    ),
    blocked("topic that new lacks", start(OLD_ONLY), ("topic.missing", OLD_ONLY, "new does not"),
            ("create it on new",)),
    blocked("glob that takes too much", start("'mistakes-*'"), ("topic.missing", OLD_ONLY, SHAPE),
            ("create it on new",)),
    blocked("fewer partitions on new", start(SHAPE), ("topic.partitions", SHAPE, "3 partitions, new 2"),
            ("as many as old",)),
    blocked("compacted topic", start(TABLE), ("topic.cleanup", TABLE, "compacted"), ("--accept-history",)),
]  # fmt: skip
NONE_OPEN = [
    Mistake(f"{words} before start", words, BLOCKED, "no_migration", ("no migration is open",),
            ("shuntctl start --scheme 1",))
    for words in ("move produce", "move fetch --all", "undo", "undo --without-new", "pause", "resume", "finish")
]  # fmt: skip
LOOKS = [
    Mistake("a canary that is none", start(LIVE, "--yes --canary nope", command="run"), USAGE, "no_such_group",
            ("nope",), (GROUP,)),
    Mistake("run of no migration", "run --migration nope --yes", USAGE, "no_such_migration", ("nope",),
            ("shuntctl topics",)),
    Mistake("status of another", "status --migration nope", USAGE, "no_such_migration", ("nope",),
            ("shuntctl topics",)),
    Mistake("partition out of range", f"offsets translate {LIVE}:99:0", USAGE, "unknown_offset",
            (f"{LIVE} has {PARTITIONS} partitions",), ("from 0",)),
    Mistake("offset of no topic", "offsets translate nowhere:0:0", USAGE, "unknown_offset", ("nowhere",),
            ("shuntctl topics",)),
    Mistake("offset in new, unmoved", f"offsets translate {LIVE}:0:5 --from new", USAGE, "unknown_offset",
            ("what new has at 5",), ("shuntctl verify",)),
    Mistake("offset of no group", f"offsets translate {LIVE}:0:5 --group nope", USAGE, "no_such_group", ("nope",),
            (GROUP,)),
    Mistake("lag of no group", "lag --group nope", USAGE, "no_such_group", ("nope",), (GROUP,)),
]  # fmt: skip

# m1 is open, nothing has moved.
OPEN = [
    blocked("topic in a migration", start(LIVE), ("topic.migration", LIVE, "m1"), ("leave it out",)),
    blocked("planned once more", start(LIVE, command="plan"), ("topic.migration", LIVE, "m1"), ("leave it out",)),
    usage("topic of no migration", f"move produce --topics {TABLE}", (f"{TABLE} is not in migration m1",),
          ("shuntctl topics",)),
    usage("an empty list", "move produce --topics ''", ("topics",), HELP),
    usage("an empty group", "move fetch --group ''", ("group",), HELP),
    usage("an empty migration", "resume --migration ''", ("--migration",), HELP),
    Mistake("another migration", "move produce --migration m99", USAGE, "no_such_migration", ("m99",),
            ("shuntctl status",)),
    Mistake("group that is not", "move fetch --group nope", USAGE, "no_such_group", ("no group nope",), (GROUP,)),
    Mistake("groups to both", "move fetch --all --to both", FAILED, "not_implemented", ("scheme 2",),
            ("move fetch --to new",)),
    blocked("finish before anything", "finish", ("topic.produce", LIVE, "written at old"), ("move produce --to new",)),
    Mistake("finish of another", "finish --migration m99", USAGE, "no_such_migration", ("m99",), ("shuntctl status",)),
    idle("production is there", "move produce --to old", "nothing to do", "old already"),
    idle("the group is there", f"move fetch --group {GROUP} --to old", "nothing to do"),
    idle("nothing to undo", "undo", "nothing to", "old"),
    idle("new is not in use", "undo --without-new", "nothing to", "old"),
    idle("not paused", "resume", "migration m1: started"),
]  # fmt: skip
PAUSED = [
    *(
        Mistake(f"{words} while paused", words, BLOCKED, "paused", ("m1 is paused",), ("shuntctl resume",))
        for words in ("move produce", "move fetch --all", "undo", "undo --without-new", "finish")
    ),
    idle("paused twice", "pause", "migration m1: paused"),
]

# A step of m1 runs.
SECOND = [
    Mistake(f"second operator: {words}", words, BLOCKED, "step_running", ("a step is running: m1.",),
            ("shuntctl status -w",))
    for words in ("move produce", "move produce --to old", "move fetch --all", "undo", "undo --without-new",
                  "finish", start(OLD_ONLY))
]  # fmt: skip
IMPATIENT = Mistake(
    "time too short", "--timeout 1ms move produce", TIMED_OUT, "running", ("still running",), ("shuntctl status -w",)
)
PAUSED_AWAY = Mistake("paused by another", "move produce", ABORTED, "aborted", ("S1", "paused by the operator"),
                      ("try again",))
# Its checks are not done yet: it has not begun.
PAUSED_EARLY = Mistake("paused in its checks", "move produce", BLOCKED, "paused", ("m1",), ("shuntctl resume",))
AFTERWARDS = [idle("afterwards nothing runs", "move produce --to old", "nothing to do", "old already")]

# Production is at new; then at old again, not by undo.
MOVED = [
    idle("moved twice", "move produce --to new", "nothing to do", "new already"),
    blocked("finish before the groups", "finish", ("group.wait", "m1"), ("move fetch --all",)),
    blocked("moved topic again", start(LIVE), ("topic.migration", LIVE, "m1"), ("leave it out",)),
]
MOVED_BACK = [idle("new was left already", "undo --without-new", "nothing to", "old")]

# Somebody reads and writes past Shunt; m2 is of his topic.
PAST = blocked("start over a member outside", start(OTHER), ("group.outside", OUTSIDE), ("--accept-stragglers",))
TWO = [
    *(
        Mistake(f"which migration: {words}", words, USAGE, "which_migration", ("m1", "m2"), ("--migration",))
        for words in ("move produce", "move fetch --all", "undo", "pause", "resume", "finish")
    ),
    usage("another's topic", f"move produce --migration m1 --topics {OTHER}", (f"{OTHER} is not in migration m1",),
          ("shuntctl topics",)),
    blocked("member outside", "move produce --migration m2", ("group.outside", OUTSIDE), ("--accept-stragglers",)),
    blocked("group outside", f"move fetch --migration m2 --group {OUTSIDE}", ("group.outside", OUTSIDE),
            ("--accept-stragglers",)),
    Mistake("the flag it names", "move fetch --group g --accept-stragglers --migration m99", USAGE, "no_such_migration",
            ("m99",), ("shuntctl status",)),
]  # fmt: skip
PAST_PRODUCER = blocked(
    "producer outside", "move produce --migration m2", ("producer.foreign", f"{OTHER}-"), ("--accept-stragglers",)
)
ONE_PAUSED = Mistake(
    "one of two paused", "move produce --migration m2", BLOCKED, "paused", ("m2 is paused",),
    ("shuntctl resume --migration m2",),
)  # fmt: skip

# Other daemons: without a cluster, or none at all.
STARTS = [start(LIVE), start(LIVE, command="plan")]
DEAD_NEW = [blocked(f"new is down: {w[:5]}", w, ("net.reach", "new", "does not answer"),
                    ("shuntctl status",)) for w in STARTS]
NO_NEW = [blocked(f"no new: {w[:5]}", w, ("no new cluster",), ("clusters.new.bootstrap",)) for w in STARTS]
DEAD_OLD = [blocked(f"old is down: {w[:5]}", w, ("net.reach", "old", "does not answer"),
                    ("shuntctl status",)) for w in STARTS]
ASLEEP = Mistake("daemon hangs", "--timeout 300ms status", TIMED_OUT, "timed_out", ("no answer within --timeout",),
                 ("wait longer",))
GONE = [
    Mistake(f"{words}: no daemon", words, UNREACHABLE, "unreachable", ("cannot be reached", "control.sock"),
            ("shunt run",))
    for words in ("status", "move produce", "undo", "events")
]  # fmt: skip
NO_SOCKET = Mistake("wrong socket", "status", UNREACHABLE, "unreachable", ("cannot be reached",), ("--socket",))
