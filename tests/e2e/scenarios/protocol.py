"""Raw protocol through Shunt and directly at the brokers, compared field by field (wire/ speaks it; nothing of Shunt's codec)."""

import protocol_apis
import protocol_flow
import protocol_groups
import protocol_identity
import protocol_leaders
import protocol_life
import protocol_odd
import protocol_versions
from operate import create_topics, spread_leaders
from wait import wait_for
from wire.bench import Bench, Leaks, differences
from wire.connection import Connection

PARTS = [
    ("ApiVersions", protocol_versions.run),
    ("apis", protocol_apis.run),
    ("leaders", protocol_leaders.run),
    ("groups", protocol_groups.run),
    ("odd", protocol_odd.run),
    ("identity", protocol_identity.run),
    ("flow", protocol_flow.run),
    ("life", protocol_life.run),
]


def has_producer_ids(port):
    direct = Connection("127.0.0.1", port)
    body = {"TransactionalId": None, "TransactionTimeoutMs": 60000}
    answer = direct.call("InitProducerId", 1, body)
    direct.close()
    return answer["ErrorCode"] == 0


def prepare(pair):
    spread_leaders(pair.old)  # groups with different coordinators are wanted
    for port in pair.old.ports:  # a broker without ids to give answers 14 until it has a block
        wait_for(f"producer ids at {port}", lambda port=port: has_producer_ids(port))
    create_topics(pair.old, ["wire-a", "wire-b"], 6)
    protocol_flow.prepare(pair.old)


def sharp(bench):
    """The checks can fail: a broker's own answer is different from Shunt's, and is found to leak."""
    ask = ("Metadata", 8, {"Topics": [{"Name": "wire-a"}]})
    finder = Leaks(bench.pair)
    direct = Connection("127.0.0.1", bench.pair.old.ports[0], seen=finder.look)
    own, shown = direct.call(*ask), bench.fronts["bootstrap"].call(*ask)
    direct.close()
    blunt = [] if differences(own, shown) and finder.found else ["nothing is found"]
    bench.check(
        "control",
        blunt,
        f"a direct answer differs ({len(differences(own, shown))} places) and leaks ({finder.found})",
    )


def run(pair, report, only=None):
    prepare(pair)
    bench = Bench(pair, report)
    try:
        bench.part("control", sharp)
        for name, part in PARTS:
            if only in (None, name):
                bench.part(name, part)
        if only is None:
            missing = [
                f"{a} v{v}"
                for a in bench.offered
                for v in bench.versions(a)
                if (a, v) not in bench.leaks.asked
            ]
            bench.report.line(
                True,
                "protocol",
                pair.name,
                "not asked",
                f"{len(missing)} of {sum(len(bench.versions(a)) for a in bench.offered)} versions offered: {', '.join(missing)}",
            )
        bench.check(
            "leaks",
            bench.leaks.found,
            f"no broker's host and port in any of {bench.leaks.answers} answers",
        )
    finally:
        bench.close()
