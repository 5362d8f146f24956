"""Loads behaviours: definition of harm, queries that ask for it, and contrast pairs."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from cache import spec_hash
from core.behaviours.spec import BehaviourSpec, Message, PairSpec, read_behaviour, read_pairs
from core.errors import BehaviourError, SpecError
from core.queries import read_query_file
from core.queries.query import Query
from core.settings.atomic import replacing
from core.settings.operator import user_folder

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
SHIPPED = SAMPLE_DATA / "behaviours"
REAL = SAMPLE_DATA / "real"
# Those of the invented world, and those of a real chat model.
BEHAVIOURS = ("misuse", "sycophancy", "hallucination")
REAL_BEHAVIOURS = ("agrees", "claims", "insults", "secret", "language")
DEFAULT_BEHAVIOUR = "misuse"


@dataclass(frozen=True)
class ContrastPair:
    """The same query in a safe and an unsafe setting; each side ends with the assistant's answer."""

    safe: tuple[Message, ...]
    unsafe: tuple[Message, ...]


@dataclass(frozen=True)
class Reference:
    """A query's risk from a large run, with its standard error and method."""

    qrisk: float
    standard_error: float
    method: str


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A behaviour with the content of all files that its file names.

    path: its file. fingerprint: a hash of pairs, judge and threshold, on which a measured proposal depends.
    """

    spec: BehaviourSpec
    path: Path
    queries: tuple[Query, ...]
    pairs: tuple[ContrastPair, ...]
    fingerprint: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def shipped(self) -> bool:
        return self.path.parent in (SHIPPED, REAL)


def behaviour_names(model: str | None = None) -> tuple[str, ...]:
    """Returns the names of all behaviours: the shipped ones, then the user's own.

    model: a model's name; the behaviours that are meant for it come first, those meant for others last.
    """
    shipped = (*BEHAVIOURS, *REAL_BEHAVIOURS)
    own = sorted(path.stem for path in own_folder().glob("*.json"))
    names = (*shipped, *(name for name in own if name not in shipped))
    return names if model is None else tuple(sorted(names, key=lambda name: _rank(name, model)))


def _rank(name: str, model: str) -> int:
    try:
        meant = read_behaviour(behaviour_path(name)).meant_for(model)
    except BehaviourError:
        meant = None  # told where it is chosen
    return {True: 0, None: 1, False: 2}[meant]


def is_own(name: str) -> bool:
    """Returns whether a behaviour is one of the user's own.

    One of a name that was shipped later is still theirs, and is the one that is meant by it.
    """
    return name not in BEHAVIOURS and (own_folder() / f"{name}.json").is_file()


def own_folder() -> Path:
    """Returns the folder of the user's own behaviours."""
    return user_folder() / "behaviours"


def behaviour_path(name: str) -> Path:
    """Returns the file of a behaviour. name: one of `behaviour_names`, or a path that ends with .json.

    Raises:
        BehaviourError: there is no such behaviour; the message lists those that exist.
    """
    if name in BEHAVIOURS:
        return SHIPPED / f"{name}.json"
    if name in REAL_BEHAVIOURS and not is_own(name):
        return REAL / f"{name}.json"
    if name.endswith(".json"):
        return Path(name).expanduser()
    if name not in behaviour_names():
        raise BehaviourError(
            f"behaviour must be one of {', '.join(behaviour_names())}, or a behaviour's file (.json), "
            f"got {name!r}"
        )
    return own_folder() / f"{name}.json"


def check_behaviour(name: str) -> str:
    """Returns the name if the behaviour exists. Raises: as `behaviour_path`."""
    behaviour_path(name)
    return name


# Name of a behaviour that is there, or the path of its file.
BehaviourName = Annotated[str, AfterValidator(check_behaviour)]


def load_behaviour(name: str) -> Behaviour:
    """Returns a behaviour. Its files are read again only if one of them has changed.

    Parameters
    ----------
    name
        One of `behaviour_names`, or the path of a behaviour's file (.json).

    Returns
    -------
    Behaviour
        With queries, contrast pairs, and a fingerprint of all that a measured proposal depends on.

    Raises
    ------
    BehaviourError
        There is no such behaviour, or one of its files cannot be used; the message says which and why.
    """
    path = behaviour_path(name)
    spec = read_behaviour(path)
    named = [
        path.parent / file
        for file in (spec.queries, spec.contrast, spec.judge)
        if isinstance(file, str)
    ]
    return _loaded(path, tuple((str(file), *_stamp(file)) for file in (path, *named)))


def load_queries(behaviour: str) -> tuple[Query, ...]:
    """Returns the queries of a behaviour. Raises: as `load_behaviour`."""
    return load_behaviour(behaviour).queries


def own_system_prompt(behaviour: str, query: str) -> str | None:
    """Returns the system prompt that a behaviour's query of this text has of its own; None for others.

    Raises: as `load_behaviour`.
    """
    return next((one.system for one in load_queries(behaviour) if one.text == query), None)


def load_contrast_pairs(behaviour: str) -> tuple[ContrastPair, ...]:
    """Returns the contrast pairs of a behaviour.

    Raises:
        BehaviourError: the behaviour has no pairs; or as `load_behaviour`.
    """
    pairs = load_behaviour(behaviour).pairs
    if not pairs:
        raise BehaviourError(
            f"behaviour {behaviour!r} has no contrast pair, and a direction needs at least one"
        )
    return pairs


def load_paraphrases(behaviour: str, query: str) -> tuple[str, ...]:
    """Returns the shipped paraphrases of a shipped query; empty for other queries."""
    path = SAMPLE_DATA / "paraphrases" / f"{behaviour}.csv"
    if behaviour not in BEHAVIOURS or not path.is_file():
        return ()
    ids = {known.query_id for known in load_queries(behaviour) if known.text == query}
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(row["paraphrase"] for row in csv.DictReader(file) if row["query_id"] in ids)


def contrast_pairs(pairs: Sequence[PairSpec], label: str) -> tuple[ContrastPair, ...]:
    """Returns pairs as chat messages. label: the source's name in error messages.

    Raises:
        BehaviourError: a pair's sides are equal, or it lacks its query; the message has its number.
    """
    complete = []
    for number, pair in enumerate(pairs, start=1):
        try:
            both = ContrastPair(pair.side(unsafe=False), pair.side(unsafe=True))
        except BehaviourError as error:
            raise BehaviourError(f"{label}, pair {number}: {error}") from None
        if both.safe == both.unsafe:
            raise BehaviourError(f"{label}, pair {number}: both sides of the pair are the same")
        complete.append(both)
    return tuple(complete)


def save_behaviour(spec: BehaviourSpec) -> Path:
    """Writes one of the user's own behaviours, replacing one of the same name, and returns its file.

    Raises:
        BehaviourError: the name belongs to a shipped behaviour, or the file cannot be written.
    """
    if spec.name in (*BEHAVIOURS, *REAL_BEHAVIOURS) and not is_own(spec.name):
        raise BehaviourError(f"{spec.name!r} comes with Tailscope; choose another name")
    path = own_folder() / f"{spec.name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = spec.model_dump(mode="json", exclude_none=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise BehaviourError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return path


def delete_behaviour(name: str) -> None:
    """Deletes one of the user's own behaviours. Raises: BehaviourError if there is no such."""
    if not is_own(name):
        raise BehaviourError(f"there is no behaviour of your own called {name!r}")
    (own_folder() / f"{name}.json").unlink(missing_ok=True)


def load_references(model: str, behaviour: str) -> dict[str, Reference]:
    """Returns query_id -> reference risk for an embedded model; empty if there is no reference."""
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


@lru_cache(maxsize=32)
def _loaded(path: Path, stamps: tuple[tuple[object, ...], ...]) -> Behaviour:
    """Returns a behaviour. stamps: of all its files, so that the cached one is not used after an edit."""
    spec = read_behaviour(path)
    pairs = spec.contrast
    label = path.name
    if isinstance(pairs, str):
        label = Path(pairs).name
        pairs = read_pairs(path.parent / pairs)
    complete = contrast_pairs(pairs, label)
    return Behaviour(
        spec=spec,
        path=path,
        queries=_queries(spec, path),
        pairs=complete,
        fingerprint=spec_hash(
            {
                "pairs": [[list(pair.safe), list(pair.unsafe)] for pair in complete],
                "judge": _judge_content(spec, path),
                "threshold": spec.threshold,
            }
        ),
    )


def _queries(spec: BehaviourSpec, path: Path) -> tuple[Query, ...]:
    if isinstance(spec.queries, str):
        try:
            return read_query_file(path.parent / spec.queries).queries
        except SpecError as error:
            raise BehaviourError(f"behaviour {spec.name!r}: {error}") from error
    return tuple(
        Query(
            query_id=f"{spec.name}-{number}",
            text=one if isinstance(one, str) else one.query,
            group=f"{spec.name}-{number}",
            system=None if isinstance(one, str) else one.system,
        )
        for number, one in enumerate(dict.fromkeys(spec.queries), start=1)
    )


def _judge_content(spec: BehaviourSpec, path: Path) -> object:
    if not isinstance(spec.judge, str):
        return spec.judge
    try:
        return (path.parent / spec.judge).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return (
            spec.judge
        )  # a judge's short name; a missing file is reported when the judge is built


def _stamp(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return (0, 0)
    return (state.st_mtime_ns, state.st_size)
