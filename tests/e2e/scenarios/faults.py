"""The cut under faults, with clients at work: the daemon dies at each step of a cut and of its undo and is started again;
answers of old are lost around the hold; old executes what it was sent only after its links have ended (zombies); the
journal is lost and rebuilt from what both clusters keep. A file each; fault_scene.py is what they share.
"""

from cluster import REPO
from deaths import STEPS, WAYS, Deaths, rows
from lost_answers import LostAnswers
from lost_journal import LostJournal
from zombies import Zombies

TABLE = REPO / "tests" / "FAULTS.md"


def run(pair, report):
    steps = STEPS if pair.everything else ("S4", "S5")
    ways = WAYS if pair.everything else ("cut",)
    scenes = Deaths(pair, report, ways, steps), LostAnswers(pair, report), Zombies(pair, report)
    for scene in (*scenes, LostJournal(pair, report)):
        scene.guarded()
    if pair.everything:
        write_table()


def write_table():
    lines = [
        "# Faults in the cut",
        "",
        "Written by `tests/e2e/run --all`, scenario `faults`: two libraries produce and consume, the daemon ends by SIGKILL",
        "when a step has been reached and its record is written, and is started again; then the command is repeated. Nothing",
        "is lost, repeated or misplaced by the clients' words and in both clusters' logs.",
        "",
        "| clusters | move | dies at | the command | after the start | repeated, it | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join((*place, *words))} |" for place, words in sorted(rows.items())]
    TABLE.write_text("\n".join(lines) + "\n")
