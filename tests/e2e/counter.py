"""Counts, in the kernel, each TCP connection that a client opens to a broker's own port, by the side the client is on.

The rule looks at the group id of the connecting process (client.GIDS), so that not even a connection of a millisecond is
missed, and the proxy's own connections are not counted. The control clients are its self-test: they must be counted.
"""

import json
import subprocess

from client import GIDS

RULES = """
table inet shunt_tests {{
  chain out {{
    type filter hook output priority 0;
    {rules}
  }}
}}
"""


def install(broker_ports):
    ports = ", ".join(str(p) for p in broker_ports)
    rules = "\n    ".join(
        f'tcp dport {{ {ports} }} tcp flags syn / syn,ack meta skgid {gid} counter comment "{side}"'
        for side, gid in GIDS.items()
    )
    subprocess.run(["nft", "-f", "-"], input=RULES.format(rules=rules), text=True, check=True)


def connections():
    """{"proxied": N, "direct": N} since install()."""
    listing = subprocess.run(
        ["nft", "-j", "list", "table", "inet", "shunt_tests"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rules = [item["rule"] for item in json.loads(listing)["nftables"] if "rule" in item]
    return {
        r["comment"]: next(x["counter"]["packets"] for x in r["expr"] if "counter" in x)
        for r in rules
    }
