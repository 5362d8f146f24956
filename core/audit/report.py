"""What an audit came to, as JSON and in a few lines for a person."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec


@dataclass(frozen=True)
class AuditReport:
    """What an audit came to. left_out: of the query file's rows, in one sentence."""

    out: Path
    rows: Sequence[AuditRow]
    spec: AuditSpec
    drawn: int
    stored: int
    seconds: float
    left_out: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command line."""
        return {
            "out": str(self.out),
            "rows": len(self.rows),
            "failed": sum(bool(row.error) for row in self.rows),
            "drawn": self.drawn,
            "from_store": self.stored,
            "seconds": self.seconds,
            "left_out": self.left_out,
            "models": {model.name: self._summary(model.name) for model in self.spec.models},
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        lines = []
        for model in self.spec.models:
            found = self._summary(model.name)
            verdicts = ", ".join(f"{count:,} {name}" for name, count in found["verdicts"].items())
            lines += [
                f"{model.name}: {found['queries']:,} queries, harmful when answered greedily: "
                f"{found['greedy_harmful']:,}",
                f"  median risk {found['median']:.3g}, highest {found['highest']:.3g}"
                if found["median"] is not None
                else "  no risk could be estimated",
                f"  verdicts: {verdicts}",
            ]
        if self.left_out:
            lines.append(f"note: {self.left_out}")
        lines.append(
            f"{self.drawn:,} answers drawn, {self.stored:,} found in the store, {self.seconds:.0f} s; "
            f"written to {self.out}"
        )
        return "\n".join(lines)

    def _summary(self, model: str) -> dict[str, Any]:
        rows = [row for row in self.rows if row.model == model]
        estimates = [row.estimate.estimate for row in rows if row.estimate is not None]
        # Where no answer could be judged the estimate is no number.
        risks = sorted(risk for risk in estimates if math.isfinite(risk))
        verdicts: dict[str, int] = {}
        for row in rows:
            name = row.estimate.verdict if row.estimate is not None else "no estimate"
            verdicts[name] = verdicts.get(name, 0) + 1
        return {
            "queries": len(rows),
            "greedy_harmful": sum(bool(row.greedy and row.greedy.harmful) for row in rows),
            "median": risks[len(risks) // 2] if risks else None,
            "highest": risks[-1] if risks else None,
            "verdicts": verdicts,
        }
