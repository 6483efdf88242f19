"""Rows of the result, and how they are printed."""
import statistics
import sys
from dataclasses import dataclass

median = statistics.median


@dataclass
class Row:
    """One line of the table. `ratio` is compared with `limit`: it must not be above it, or not below it."""
    what: str
    target: str
    measured: str
    ratio: float
    limit: float
    sense: str  # "at most" or "at least"

    @property
    def passed(self):
        return self.ratio <= self.limit if self.sense == "at most" else self.ratio >= self.limit

    def cells(self):
        return [self.what, self.target, self.measured, f"{self.ratio:.3g}", "pass" if self.passed else "MISS"]


def at_most(what, target, measured, ratio, limit):
    return Row(what, target, measured, ratio, limit, "at most")


def at_least(what, target, measured, ratio, limit):
    return Row(what, target, measured, ratio, limit, "at least")


def to_markdown(rows):
    cells = [["what", "target", "measured (median)", "ratio", ""]] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def say(text):
    """Progress, for the person who waits; the table alone goes to standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
