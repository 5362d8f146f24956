"""Drafts: a behaviour as a user types it, its problems, and the behaviour made from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.behaviours.load import behaviour_names, contrast_pairs
from core.behaviours.spec import NAME, BehaviourSpec, PairSpec, QuerySpec
from core.errors import BehaviourError, TailscopeError, first_sentence
from core.judges.config import judge_from
from core.judges.regex_like import regex_like
from core.queries.chat import check_no_chat
from core.spec import DirectionPosition, check_query


@dataclass(frozen=True)
class Draft:
    """A behaviour that is being typed. replaces: the name of the behaviour that it replaces."""

    name: str
    queries: Sequence[str | QuerySpec]
    pairs: Sequence[PairSpec]
    judge: str | Mapping[str, Any] | None
    description: str = ""
    threshold: float = 0.75
    direction: DirectionPosition = "answer_mean"
    replaces: str | None = None


def problems(draft: Draft) -> tuple[str, ...]:
    """Returns the problems of a draft, a sentence each; empty if it can become a behaviour."""
    sentences = [
        *_name_problems(draft),
        *_query_problems(draft.queries),
        *_pair_problems(draft.pairs),
    ]
    if draft.judge is None:
        sentences.append("a judge is needed: without one nothing tells harm from the rest")
    elif isinstance(draft.judge, Mapping):
        try:
            judge_from(dict(draft.judge), Path("judge"))
        except TailscopeError as error:
            sentences.append(str(error))
    if not 0.0 < draft.threshold <= 1.0:
        sentences.append(f"threshold must be above 0 and at most 1, got {draft.threshold:g}")
    return tuple(sentences)


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


def _query_problems(queries: Sequence[str | QuerySpec]) -> list[str]:
    if not queries:
        return ["at least one query is needed"]
    sentences = []
    for number, query in enumerate(queries, start=1):
        try:
            if isinstance(query, str):
                check_no_chat(check_query(query))
        except ValueError as error:
            sentences.append(f"query {number}: {error}")
    return sentences


def _pair_problems(pairs: Sequence[PairSpec]) -> list[str]:
    sentences = []
    for number, pair in enumerate(pairs, start=1):
        try:
            # A typed pair may have been built without validation.
            checked = PairSpec.model_validate(pair.model_dump())
            contrast_pairs([checked], "typed")
        except ValidationError as error:
            sentences.append(f"pair {number}: {first_sentence(error)}")
        except BehaviourError as error:
            sentences.append(f"pair {number}: {str(error).removeprefix('typed, pair 1: ')}")
    return sentences


def drafted(draft: Draft) -> BehaviourSpec:
    """Returns the behaviour of a draft without problems.

    Raises:
        BehaviourError: the draft's first problem.
    """
    sentences = problems(draft)
    if sentences:
        raise BehaviourError(sentences[0])
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


@dataclass(frozen=True)
class Phrases:
    """What a judge looks for in any answer, as it is typed.

    required, forbidden: phrases, one a line; a line of `required` may hold alternatives, separated by |.
    refusals: whether the usual phrases of refusal make an answer harmless, too. patterns: whether each line
    is a regular expression instead.
    """

    required: str = ""
    forbidden: str = ""
    refusals: bool = False
    patterns: bool = False

    def regex_like(self) -> tuple[str, ...]:
        """Returns the lines that look like regular expressions, where phrases are meant."""
        lines = [] if self.patterns else [*_lines(self.required), *_lines(self.forbidden)]
        return tuple(line for line in lines if regex_like(line))


def phrase_judge(
    behaviour: str,
    required: str,
    forbidden: str,
    *,
    refusals: bool = False,
    patterns: bool = False,
) -> dict[str, Any]:
    """Returns a judge of rules for every query of a behaviour. The arguments are those of `Phrases`."""
    demand: dict[str, Any] = {}
    if patterns:
        alternatives: list[list[Any]] = [[{"regex": line}] for line in _lines(required)]
        cleared: list[Any] = [{"regex": line} for line in _lines(forbidden)]
    else:
        split = [[phrase.strip() for phrase in line.split("|")] for line in _lines(required)]
        alternatives = [[phrase for phrase in line if phrase] for line in split]
        cleared = list(_lines(forbidden))
    if any(alternatives):
        demand["required"] = [line[0] if len(line) == 1 else line for line in alternatives if line]
    if cleared:
        demand["forbidden"] = cleared
    if refusals:
        demand["refusals"] = ["standard"]
    return {"kind": "rules", "behaviour": behaviour, "default": demand}


def phrases_of(judge: object) -> Phrases | None:
    """Returns what was typed for a judge made by `phrase_judge`; None for other judges."""
    if not isinstance(judge, Mapping):
        return None
    demand = judge.get("default")
    if not isinstance(demand, Mapping):
        return None

    def line(phrase: object) -> str:
        if isinstance(phrase, Mapping):
            return str(phrase.get("regex"))
        return " | ".join(phrase) if isinstance(phrase, list) else str(phrase)

    try:
        listed = [*demand.get("required", ()), *demand.get("forbidden", ())]
        found = Phrases(
            required="\n".join(line(phrase) for phrase in demand.get("required", ())),
            forbidden="\n".join(line(phrase) for phrase in demand.get("forbidden", ())),
            refusals=demand.get("refusals") == ["standard"],
            patterns=any(isinstance(phrase, Mapping) for phrase in listed),
        )
    except TypeError:
        return None
    rebuilt = phrase_judge(str(judge.get("behaviour", "")), **vars(found))
    return found if rebuilt == dict(judge) else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
