"""A behaviour as a person types it: all that is wrong with it, and the behaviour that it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.behaviours.load import behaviour_names, contrast_pairs
from core.behaviours.spec import NAME, BehaviourSpec, PairSpec
from core.errors import BehaviourError, TailscopeError, first_sentence
from core.judges.config import judge_from
from core.spec import DirectionPosition, check_query


@dataclass(frozen=True)
class Draft:
    """A behaviour as it is being typed. replaces: the name of the one that it takes the place of."""

    name: str
    queries: Sequence[str]
    pairs: Sequence[PairSpec]
    judge: str | Mapping[str, Any] | None
    description: str = ""
    threshold: float = 0.75
    direction: DirectionPosition = "answer_mean"
    replaces: str | None = None


def problems(draft: Draft) -> tuple[str, ...]:
    """Returns all that keeps a draft from being a behaviour, a sentence each; empty if nothing does."""
    found = [
        *_name_problems(draft),
        *_query_problems(draft.queries),
        *_pair_problems(draft.pairs),
    ]
    if draft.judge is None:
        found.append("a judge is needed: without one nothing tells harm from the rest")
    elif isinstance(draft.judge, Mapping):
        try:
            judge_from(dict(draft.judge), Path("judge"))
        except TailscopeError as error:
            found.append(str(error))
    if not 0.0 < draft.threshold <= 1.0:
        found.append(f"threshold must be above 0 and at most 1, got {draft.threshold:g}")
    return tuple(found)


def _name_problems(draft: Draft) -> list[str]:
    if not draft.name:
        return ["a name is needed"]
    if not NAME.fullmatch(draft.name):
        return [
            "the name must be 1 to 40 small letters, digits, - or _, beginning with a letter or digit, "
            f"got {draft.name!r}"
        ]
    if draft.name != draft.replaces and draft.name in behaviour_names():
        return [f"there is a behaviour called {draft.name!r} already; choose another name"]
    return []


def _query_problems(queries: Sequence[str]) -> list[str]:
    if not queries:
        return ["at least one query is needed"]
    found = []
    for number, query in enumerate(queries, start=1):
        try:
            check_query(query)
        except ValueError as error:
            found.append(f"query {number}: {error}")
    return found


def _pair_problems(pairs: Sequence[PairSpec]) -> list[str]:
    found = []
    for number, pair in enumerate(pairs, start=1):
        try:
            # What has been typed may have been put together unchecked.
            checked = PairSpec.model_validate(pair.model_dump())
            contrast_pairs([checked], "typed")
        except ValidationError as error:
            found.append(f"pair {number}: {first_sentence(error)}")
        except BehaviourError as error:
            found.append(f"pair {number}: {str(error).removeprefix('typed, pair 1: ')}")
    return found


def drafted(draft: Draft) -> BehaviourSpec:
    """Returns the behaviour that a draft without problems is.

    Raises:
        BehaviourError: it has one.
    """
    found = problems(draft)
    if found:
        raise BehaviourError(found[0])
    assert draft.judge is not None
    try:
        return BehaviourSpec(
            name=draft.name,
            description=draft.description.strip(),
            queries=tuple(dict.fromkeys(draft.queries)),
            contrast=tuple(draft.pairs),
            judge=draft.judge if isinstance(draft.judge, str) else dict(draft.judge),
            threshold=draft.threshold,
            direction=draft.direction,
        )
    except ValidationError as error:
        raise BehaviourError(first_sentence(error)) from None


def phrase_judge(
    behaviour: str, required: str, forbidden: str, *, refusals: bool = False
) -> dict[str, Any]:
    """Returns a judge of rules for every query of a behaviour.

    required, forbidden: phrases, a line each; of phrases on one line, with | between them, any will do.
    refusals: whether the usual words of refusal clear an answer, too.
    """
    demand: dict[str, Any] = {}
    wanted = [[phrase.strip() for phrase in line.split("|")] for line in _lines(required)]
    alternatives = [[phrase for phrase in line if phrase] for line in wanted]
    if any(alternatives):
        demand["required"] = [line[0] if len(line) == 1 else line for line in alternatives if line]
    if _lines(forbidden):
        demand["forbidden"] = _lines(forbidden)
    if refusals:
        demand["refusals"] = ["standard"]
    return {"kind": "rules", "behaviour": behaviour, "default": demand}


def phrases_of(judge: object) -> tuple[str, str, bool] | None:
    """Returns what `phrase_judge` was given for a judge; None if it is not of such a form."""
    if not isinstance(judge, Mapping):
        return None
    demand = judge.get("default")
    if not isinstance(demand, Mapping):
        return None

    def line(wanted: object) -> str:
        return " | ".join(wanted) if isinstance(wanted, list) else str(wanted)

    try:
        required = "\n".join(line(wanted) for wanted in demand.get("required", ()))
        forbidden = "\n".join(map(str, demand.get("forbidden", ())))
    except TypeError:
        return None
    refusals = demand.get("refusals") == ["standard"]
    again = phrase_judge(str(judge.get("behaviour", "")), required, forbidden, refusals=refusals)
    return (required, forbidden, refusals) if again == dict(judge) else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
