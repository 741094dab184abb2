"""Figures by measure and target, the goals, and both as tables and JSON."""

from dataclasses import dataclass
from statistics import median, quantiles

ROWS = (  # beginnings of measures, in the order of the report
    "CPU s/GB", "CPU µs", "system calls", "added p50 µs", "added p99 µs", "p50 µs", "p99 µs", "MB RSS: fresh",
    "KB RSS per idle", "MB RSS: ", "MB RSS added", "MB/s", "requests/s",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """`target`'s figure is at most `times` that of `of`, or `most` when there is nobody to compare with."""

    measure: str
    times: float
    target: str = "shunt"
    of: str = ""
    stretch: str = ""


PRODUCE_1, PRODUCE_5 = "small Produce, 1 in flight", "small Produce, 5 in flight"
GOALS = [
    *(
        Goal(f"CPU s/GB: {bulk}", 1.0, target, "haproxy", "1.25 x copy")
        for bulk in ("produce", "produce, 880 KB requests", "consume")
        for target in ("shunt", "shunt renumbering")
    ),
    *(Goal("CPU s/GB: 50 MB fetch", 0.7, target, stretch="0.4") for target in ("shunt", "shunt renumbering")),
    Goal(f"CPU µs: {PRODUCE_1}", 1.25, of="haproxy", stretch="copy's"),
    Goal(f"CPU µs: {PRODUCE_5}", 1.0, of="haproxy", stretch="copy's"),
    Goal(f"system calls: {PRODUCE_1}", 6.2),  # 6, and its own ticks, one a second
    Goal(f"system calls: {PRODUCE_5}", 6.2),
    Goal("added p50 µs: ApiVersions", 1.25, of="haproxy", stretch="1 x"),
    Goal(f"added p50 µs: {PRODUCE_1}", 1.25, of="haproxy", stretch="1 x"),
    Goal("KB RSS per idle connection: 1,000", 8, stretch="4"),
    Goal("KB RSS per idle connection: 5,000", 8, stretch="4"),
    Goal("MB RSS: fresh", 16, stretch="8"),
    Goal("MB RSS: 5,000 idle connections", 64, stretch="32"),
    Goal("MB RSS added: 8 held 50 MB fetches", 8, stretch="4"),
    Goal("CPU s/GB: produce", 1.1, "shunt TLS", "haproxy TLS", "1 x"),
    Goal("CPU s/GB: consume", 1.1, "shunt TLS", "haproxy TLS", "1 x"),
]


class Figures:
    def __init__(self, targets):
        self.targets, self.values = list(targets), {}

    def add(self, figures):
        for measure, target, value in figures:
            self.values.setdefault(measure, {}).setdefault(target, []).append(value)

    def table(self):
        """Medians over the rounds."""
        rows = [["", *self.targets], ["---"] * (1 + len(self.targets))]
        for begin in ROWS:
            for measure, by in self.values.items():
                if measure.startswith(begin) and not any(measure == row[0] for row in rows):
                    rows.append([measure, *(shown(by.get(t)) for t in self.targets)])
        return _markdown(rows)

    def goals(self):
        """(goal, its figures, the figures it is compared with, met); met is None where one of both was not measured."""
        for goal in GOALS:
            by = self.values.get(goal.measure, {})
            mine, others = by.get(goal.target), by.get(goal.of)
            if not mine or (goal.of and not others):
                yield goal, [], [], None
            elif not goal.of:
                yield goal, mine, [], median(mine) <= goal.times
            elif min(mine) > 0 and min(others) > 0:
                yield goal, mine, others, median(ratios(mine, others)) <= goal.times
            else:  # added latency that is lost in the noise, or less than none: a ratio would say nothing
                yield goal, mine, others, median(mine) <= goal.times * max(median(others), 0)

    def goal_table(self):
        """Of those that were measured."""
        rows = [["goal", "at most", "stretch", "measured (quartiles over the rounds)", ""], ["---"] * 5]
        for goal, mine, others, met in self.goals():
            least = f"{goal.times:g} x {goal.of}" if goal.of else f"{goal.times:g}"
            if met is None:
                continue
            word = "met" if met else "**not met**"
            rows.append([f"{goal.target}: {goal.measure}", least, goal.stretch, measured(mine, others), word])
        return _markdown(rows)

    def json(self):
        goals = [
            {"target": g.target, "measure": g.measure, "at_most": g.times, "of": g.of or None, "met": met}
            | {"measured": measured(mine, others)}
            for g, mine, others, met in self.goals()
        ]
        return {"targets": self.targets, "measures": self.values, "goals": goals}

    def against(self, former, other):
        """Each measure of one target as a ratio to another's, by rounds: what a change has brought."""
        rows = [["", f"{other} / {former} (quartiles)"], ["---"] * 2]
        for measure, by in self.values.items():
            if measure.startswith(ROWS) and former in by and other in by:
                rows.append([measure, measured(by[other], by[former])])
        return _markdown(rows)


def shown(values):
    if not values:
        return ""
    value = median(values)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratios(mine, others):
    """By rounds: what disturbed a round disturbed both."""
    return [a / b for a, b in zip(mine, others)]


def measured(mine, others):
    if others and min(mine) > 0 and min(others) > 0:
        return spread(ratios(mine, others))
    return f"{shown(mine)} to {shown(others)}" if others else spread(mine)


def spread(values):
    if len(values) < 2:
        return shown(values)
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def _markdown(rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
