"""A row of the coverage table."""

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = "| band | world | held, % | truth below, % | truth above, % | runs | why it is off |"
RULE = "|---|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """How often the truth lay below and above a band, of so many runs, and why it may be off 95%."""

    band: str
    world: str
    below: float
    above: float
    runs: int
    reason: str = ""

    @property
    def held(self) -> float:
        return 1 - self.below - self.above

    @property
    def off(self) -> bool:
        """Whether it lies outside 93 to 97% by more than the luck of so many runs (two standard errors)."""
        luck = 2 * (0.05 * 0.95 / self.runs) ** 0.5
        return not 0.93 - luck <= self.held <= 0.97 + luck


def line(rows: Sequence[Row]) -> str:
    """Returns a line of the Markdown table for rows of one band and world, one after the other.

    The reasons stand only where a row is off.
    """
    reasons = dict.fromkeys(row.reason or "no reason known" for row in rows if row.off)
    cells = [
        " / ".join(f"{100 * value:.1f}" for value in values)
        for values in zip(*((row.held, row.below, row.above) for row in rows), strict=True)
    ]
    first = rows[0]
    return f"| {first.band} | {first.world} | {' | '.join(cells)} | {first.runs} | {'; '.join(reasons)} |"
