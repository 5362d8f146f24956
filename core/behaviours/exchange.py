"""Exporting behaviours to a file, and importing them from files of others.

A file from others is not trusted. It must be self-contained: a file that it names would be read on this
machine, and a judge would send answers to its server, with the operator's key.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from core.behaviours.load import Behaviour, ContrastPair, contrast_pairs
from core.behaviours.spec import (
    BehaviourSpec,
    Message,
    PairSpec,
    QuerySpec,
    parse_behaviour,
    parse_pair,
)
from core.errors import BehaviourError, first_sentence
from core.files.json_text import json_lines, parse_json
from core.judges.config import shipped_judges
from core.judges.files import read_json
from core.judges.rules import RuleSet
from core.queries import BadRow
from core.queries.query import Query

MAX_FILE_BYTES = 64_000_000


def read_pair_lines(content: bytes, name: str) -> tuple[tuple[PairSpec, ...], tuple[BadRow, ...]]:
    """Returns the contrast pairs in a JSONL file's content, and the lines that hold no valid pair.

    Raises:
        BehaviourError: no line holds a pair.
    """
    good: list[PairSpec] = []
    bad: list[BadRow] = []
    for number, line in json_lines(_text(content, name)):
        try:
            pair = parse_pair(line, name)
            contrast_pairs((pair,), name)
        except BehaviourError as error:
            message = str(error)
            for label in (f"{name}, pair 1: ", f"{name}: "):
                message = message.removeprefix(label)
            bad.append(BadRow(number, message))
        else:
            good.append(pair)
    if not good:
        why = f" (line {bad[0].row}: {bad[0].reason})" if bad else ""
        raise BehaviourError(f"{name!r} must hold at least one contrast pair, got none{why}")
    return tuple(good), tuple(bad)


def self_contained(behaviour: Behaviour) -> BehaviourSpec:
    """Returns a behaviour that holds its queries, pairs and judge itself, so that it can be exported.

    A shipped judge stays a name. Folders and servers that a judge names are not copied.
    """
    spec = behaviour.spec
    judge = spec.judge
    if isinstance(judge, str) and (path := behaviour.path.parent / judge).is_file():
        content = read_json(path)
        judge = content if isinstance(content, dict) else judge
    return spec.model_copy(
        update={
            "queries": tuple(map(listed, behaviour.queries)),
            "contrast": tuple(simple_pair(pair) for pair in behaviour.pairs),
            "judge": judge,
        }
    )


def listed(query: Query) -> str | QuerySpec:
    """Returns a query as a behaviour's file holds it."""
    return query.text if query.system is None else QuerySpec(query=query.text, system=query.system)


def simple_pair(pair: ContrastPair) -> PairSpec:
    """Returns a pair in its file form: as query and two answers if the sides differ in nothing else."""
    row = answers_of(pair.safe, pair.unsafe)
    return PairSpec(**row) if row else PairSpec(safe=pair.safe, unsafe=pair.unsafe)


def answers_of(safe: Sequence[Message], unsafe: Sequence[Message]) -> dict[str, str] | None:
    """Returns query, safe and unsafe answer, and the unsafe side's system prompt if it has one.

    None if the sides differ in anything else.
    """
    system = [message["content"] for message in unsafe[:1] if message["role"] == "system"]
    for side in (safe, unsafe[len(system) :]):
        if [message["role"] for message in side] != ["user", "assistant"]:
            return None
    if safe[0]["content"] != unsafe[-2]["content"]:
        return None
    row = {
        "query": safe[0]["content"],
        "safe": safe[1]["content"],
        "unsafe": unsafe[-1]["content"],
    }
    return row | ({"unsafe_system": system[0]} if system else {})


def behaviour_json(spec: BehaviourSpec) -> str:
    """Returns the text of a behaviour's file."""
    content = spec.model_dump(mode="json", exclude_none=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def parse_upload(content: bytes, label: str) -> BehaviourSpec:
    """Returns the behaviour in an uploaded file, which must be self-contained.

    Raises:
        BehaviourError: the file holds no valid behaviour, or names other files.
    """
    spec = parse_behaviour(_json(content, label), label)
    for field, held in (("queries", spec.queries), ("contrast", spec.contrast)):
        if isinstance(held, str):
            raise BehaviourError(
                f"behaviour {label!r} names a file for its {field}, {held!r:.80}; a file that is handed "
                "in must hold them itself, for nothing on this machine is read for it"
            )
    # A text can only be a shipped judge's name: an upload has no files beside it.
    check_foreign_judge(spec.judge, f"behaviour {label!r}")
    contrast_pairs(spec.contrast if not isinstance(spec.contrast, str) else (), label)
    try:
        behaviour_json(spec).encode()
    except UnicodeEncodeError as error:
        raise BehaviourError(
            f"behaviour {label!r} holds text that is none ({error.reason})"
        ) from None
    return spec


def parse_judge_upload(content: bytes, label: str) -> dict[str, Any]:
    """Returns the settings of a judge in an uploaded file. Raises: as `parse_upload`."""
    judge = _json(content, label)
    if not isinstance(judge, dict):
        raise BehaviourError(f"judge {label!r} must be a JSON object, got {judge!r:.80}")
    check_foreign_judge(judge, f"judge {label!r}")
    return judge


def check_foreign_judge(judge: str | Mapping[str, Any], label: str) -> None:
    """Raises BehaviourError unless a judge consists of rules, or comes with Tailscope.

    Other judges name folders of this machine, or a server that would receive answers and the operator's key.
    """
    if isinstance(judge, str):
        if judge not in shipped_judges():
            raise BehaviourError(
                f"{label} names the judge {judge!r:.80}; a file that is handed in may name "
                f"{' or '.join(shipped_judges())}, or hold rules"
            )
        return
    kind = judge.get("kind", "rules")
    if kind != "rules":
        raise BehaviourError(
            f"{label} has a judge of kind {kind!r:.40}; a file that is handed in may only hold rules or "
            f"name {' or '.join(shipped_judges())}: other judges read folders or ask servers, and are "
            "set up by whoever runs this machine"
        )
    try:
        RuleSet.model_validate({name: value for name, value in judge.items() if name != "kind"})
    except ValidationError as error:
        raise BehaviourError(f"{label}: {first_sentence(error)}") from None


def _json(content: bytes, label: str) -> object:
    try:
        return parse_json(_text(content, label))
    except ValueError as error:
        raise BehaviourError(f"{label!r} is not JSON ({error})") from None


def _text(content: bytes, label: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise BehaviourError(
            f"{label!r} must be at most {MAX_FILE_BYTES:,} bytes, got {len(content):,}"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BehaviourError(
            f"{label!r} is not UTF-8 text ({error.reason} at byte {error.start:,})"
        ) from None
