"""Variants of a query: other wordings, system prompts, temperatures and answer lengths."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import SpecError
from core.queries.chat import check_no_chat
from core.queries.query import Query
from core.spec import GenerationSpec, check_query

ORIGINAL = "original"
MOST_WORDINGS = 1_000


@dataclass(frozen=True)
class Variant:
    """One variant of a query. kind: wording, system, temperature or length. label: its short name."""

    variant_id: str
    kind: str
    label: str
    text: str
    generation: GenerationSpec

    @property
    def query(self) -> Query:
        """The variant as a query of an audit."""
        return Query(self.variant_id, self.text, "")


def variants(
    query: str,
    wordings: Sequence[str] = (),
    generation: GenerationSpec | None = None,
    *,
    systems: Sequence[str] = (),
    temperatures: Sequence[float] = (),
    lengths: Sequence[int] = (),
) -> tuple[Variant, ...]:
    """Returns the unchanged query, then its variants, each with one thing changed.

    Wordings that equal the query or an earlier wording up to white space are left out; so are settings
    equal to earlier ones.

    Raises:
        SpecError: the query or a setting is out of range, there is nothing to compare, or too much.
    """
    if len(wordings) > MOST_WORDINGS:
        raise SpecError(f"wordings must be at most {MOST_WORDINGS:,}, got {len(wordings):,}")
    generation = generation or GenerationSpec()
    found = [Variant(ORIGINAL, "wording", ORIGINAL, check_no_chat(check_query(query)), generation)]
    seen = {_spaced(query)}
    for wording in wordings:
        if _spaced(wording) not in seen:
            seen.add(_spaced(wording))
            number = len(seen) - 1
            found.append(
                Variant(
                    f"w{number:03d}",
                    "wording",
                    f"wording {number}",
                    check_query(wording),
                    generation,
                )
            )
    settings = [
        *(("system", "system_prompt", text) for text in systems),
        *(("temperature", "temperature", value) for value in temperatures),
        *(("length", "max_new_tokens", count) for count in lengths),
    ]
    tried = [generation]
    for number, (kind, field, value) in enumerate(settings, start=1):
        changed = GenerationSpec.build(**generation.model_dump() | {field: value})
        if changed not in tried:
            tried.append(changed)
            found.append(Variant(f"s{number:03d}", kind, f"{kind} {value}", query, changed))
    if len(found) < 2:
        raise SpecError(
            "sensitivity needs at least one other wording or setting to compare the query with, got none"
        )
    return tuple(found)


def _spaced(text: str) -> str:
    return " ".join(text.split())
