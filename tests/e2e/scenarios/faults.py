"""The cut under faults, with clients at work: the daemon dies at each step of a cut and of its undo and is started again;
answers of old are lost around the hold; old executes what it was sent only after its links have ended (zombies), also as
brokers that were stopped and woken; the journal is lost and rebuilt from what both clusters keep; all of new's brokers die
while production is there. A file each; fault_scene.py is what they share.
"""

from cluster import REPO
from deaths import STEPS, WAYS, Deaths
from fault_scene import rows
from lost_answers import LostAnswers
from lost_journal import LostJournal
from new_dies import NewDies
from stopped import Stopped
from zombies import Zombies

TABLE = REPO / "tests" / "FAULTS.md"
SCENES = (Deaths, LostAnswers, Zombies, Stopped, LostJournal, NewDies)  # in the table's order


def run(pair, report):
    steps = STEPS if pair.everything else ("S4", "S5")
    ways = WAYS if pair.everything else ("cut",)
    scenes = [Deaths(pair, report, ways, steps), LostAnswers(pair, report), Zombies(pair, report)]
    if pair.everything:
        scenes.append(Stopped(pair, report))
    for scene in (*scenes, LostJournal(pair, report), NewDies(pair, report)):
        scene.guarded()
    if pair.everything:
        write_table()


def write_table():
    lines = [
        "# Faults in the cut",
        "",
        "Written by `tests/e2e/run --all`, scenario `faults`. Clients produce and consume all the while, with acks=all and",
        "idempotence. Exit codes are shuntctl's: 0 done, 3 blocked by a check, 4 rolled back, 6 the daemon has gone. The last",
        "column is the checker's word (`checker/README.md`) on the whole scene, of the clients' logs and both clusters' native",
        "logs: clean is nothing lost, repeated (retry-dup), misplaced or out of order.",
        "",
        "| clusters | move | step | fault | what came of it | checker |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    order = {scene.name: n for n, scene in enumerate(SCENES)}
    for (pair, _), scene_rows in sorted(rows.items(), key=lambda item: (item[0][0], order[item[0][1]])):
        lines += [f"| {' | '.join((pair, *row))} |" for row in scene_rows]
    TABLE.write_text("\n".join(lines) + "\n")
