"""A behaviour: what counts as harm, which queries ask for it, and what tells safe from unsafe."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from core.errors import BehaviourError
from core.models.chat import Message

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
BEHAVIOURS = ("misuse", "sycophancy", "hallucination")
DEFAULT_BEHAVIOUR = "misuse"


@dataclass(frozen=True)
class Query:
    """One query of a set; group is what its rewordings share."""

    query_id: str
    text: str
    group: str


@dataclass(frozen=True)
class ContrastPair:
    """The same query and answer in a safe and an unsafe setting; each ends with the assistant's answer."""

    safe: tuple[Message, ...]
    unsafe: tuple[Message, ...]


@dataclass(frozen=True)
class Reference:
    """A query's risk from a large run, with its standard error and how it was found."""

    qrisk: float
    standard_error: float
    method: str


def check_behaviour(name: str) -> str:
    """Returns the name if there is such a behaviour.

    Raises:
        BehaviourError: there is none; the message lists those there are.
    """
    if name not in BEHAVIOURS:
        raise BehaviourError(f"behaviour must be one of {', '.join(BEHAVIOURS)}, got {name!r}")
    return name


def load_queries(behaviour: str) -> tuple[Query, ...]:
    """Returns the shipped queries of a behaviour."""
    path = SAMPLE_DATA / "queries" / f"{check_behaviour(behaviour)}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            Query(row["query_id"], row["query"], row["group"]) for row in csv.DictReader(file)
        )


def load_contrast_pairs(behaviour: str) -> tuple[ContrastPair, ...]:
    """Returns the contrast pairs of a behaviour.

    Raises:
        BehaviourError: there are none, or a line is not a pair, or both sides of a pair are the same.
    """
    path = SAMPLE_DATA / "contrast" / f"{check_behaviour(behaviour)}.jsonl"
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            pair = ContrastPair(tuple(row["safe"]), tuple(row["unsafe"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BehaviourError(
                f"{path.name}, line {number}: a pair needs 'safe' and 'unsafe' message lists"
            ) from error
        if pair.safe == pair.unsafe:
            raise BehaviourError(f"{path.name}, line {number}: both sides of the pair are the same")
        pairs.append(pair)
    if not pairs:
        raise BehaviourError(f"{path.name} holds no contrast pair; at least one is needed")
    return tuple(pairs)


def load_references(model: str, behaviour: str) -> dict[str, Reference]:
    """Returns query_id -> reference risk for an embedded model; empty where none is known."""
    path = SAMPLE_DATA / "reference.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["query_id"]: Reference(
                float(row["qrisk"]), float(row["standard_error"]), row["method"]
            )
            for row in csv.DictReader(file)
            if row["model"] == model and row["behaviour"] == behaviour
        }
