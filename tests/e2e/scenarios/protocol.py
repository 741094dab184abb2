"""Raw protocol through Shunt and directly at the brokers, compared field by field (wire/ speaks it; nothing of Shunt's codec)."""

import protocol_apis
import protocol_groups
import protocol_leaders
import protocol_versions
from operate import create_topics
from wire.bench import Bench

PARTS = [
    ("ApiVersions", protocol_versions.run),
    ("apis", protocol_apis.run),
    ("leaders", protocol_leaders.run),
    ("groups", protocol_groups.run),
]


def prepare(pair):
    create_topics(pair.old, ["wire-a", "wire-b"], 6)


def run(pair, report, only=None):
    prepare(pair)
    bench = Bench(pair, report)
    try:
        for name, part in PARTS:
            if only in (None, name):
                bench.part(name, part)
        bench.check("leaks", bench.leaks, f"no broker's host and port in any of {bench.answers} answers")
    finally:
        bench.close()
