"""Findings about a model before it is used. A fault of a model is a finding, not an error."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from core.models.checks import one_line

Result = TypeVar("Result")
Level = Literal["ok", "note", "warning", "refused"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. message: one sentence. what_to_do: empty if there is nothing to do."""

    code: str
    level: Level
    message: str
    what_to_do: str = ""


@dataclass(frozen=True)
class Preflight:
    """All findings about a model.

    weights_bytes, cache_bytes, logits_bytes: memory that drawing needs at most. memory_bytes: free on the
    device. largest_batch: the most answers at once that fit. None where unknown.
    """

    model: str
    findings: tuple[Finding, ...]
    weights_bytes: int | None = None
    cache_bytes: int | None = None
    logits_bytes: int | None = None
    memory_bytes: int | None = None
    largest_batch: int | None = None

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "refused")

    @property
    def ok(self) -> bool:
        return not self.refused

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {"ok": self.ok, **asdict(self)}

    def to_text(self) -> str:
        """Returns one line for each finding, and a second one where there is something to do."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.level:<8} {finding.code}: {finding.message}")
            if finding.what_to_do:
                lines.append(f"{'':<8} -> {finding.what_to_do}")
        return "\n".join(lines)


def tried(
    findings: list[Finding], code: str, check: Callable[[], Result], what_to_do: str
) -> Result | None:
    """Returns the result of `check`; None after an error, which becomes a finding."""
    try:
        return check()
    except Exception as error:
        # Of any type: libraries raise unforeseeable errors on damaged files.
        message = one_line(str(error))[:400] or type(error).__name__
        findings.append(Finding(code, "refused", message.rstrip(".") + ".", what_to_do))
        return None


def in_bytes(count: float) -> str:
    """Returns a number of bytes as text, such as '1.5 GB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
