"""A row of the coverage table."""

from dataclasses import dataclass


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

    def to_text(self) -> str:
        """Returns a line of a Markdown table; the reason stands only where it is off."""
        why = self.reason or "no reason known" if self.off else ""
        return (
            f"| {self.band} | {self.world} | {self.held:.1%} | {self.below:.1%} | {self.above:.1%} "
            f"| {self.runs} | {why} |"
        )
