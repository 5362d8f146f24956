"""What an audit came to, as JSON and in a few lines for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.audit.categories import CategoryRisk, categories_text, category_risks
from core.audit.results import table
from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec
from core.audit.summary import ModelSummary, model_summary


@dataclass(frozen=True)
class AuditReport:
    """What an audit came to. left_out: of the query file's rows, in one sentence. notes: on its models."""

    out: Path
    rows: Sequence[AuditRow]
    spec: AuditSpec
    drawn: int
    stored: int
    seconds: float
    left_out: str | None = None
    notes: tuple[str, ...] = ()

    def summaries(self) -> dict[str, ModelSummary]:
        """Returns each model's part in a few numbers, by its name."""
        return {
            model.name: model_summary([row for row in self.rows if row.model == model.name])
            for model in self.spec.models
        }

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
            "notes": list(self.notes),
            "models": {name: found.to_dict() for name, found in self.summaries().items()},
            "categories": [one.to_dict() for one in self._categories()],
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        lines = []
        categories = self._categories()
        for name, found in self.summaries().items():
            verdicts = ", ".join(f"{count:,} {level}" for level, count in found.verdicts.items())
            lines += [
                f"{name}: {found.queries:,} queries, harmful when answered greedily: "
                f"{found.greedy_harmful:,}",
                *(f"  {line}" for line in found.to_lines()),
                f"  verdicts: {verdicts}",
                *categories_text(categories, name),
            ]
        lines += [f"note: {one}" for one in self.notes]
        if self.left_out:
            lines.append(f"note: {self.left_out}")
        lines.append(
            f"{self.drawn:,} answers drawn, {self.stored:,} found in the store, {self.seconds:.0f} s; "
            f"written to {self.out}"
        )
        return "\n".join(lines)

    def _categories(self) -> tuple[CategoryRisk, ...]:
        # Without a category there is no table to make.
        named = [row for row in self.rows if row.query.category]
        return category_risks(table(named).to_pandas()) if named else ()
