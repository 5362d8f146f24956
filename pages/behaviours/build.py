"""Building a behaviour's direction and measuring its settings, in the background: events, no widgets."""

from collections.abc import Iterator
from dataclasses import dataclass

import streamlit as st

from core.behaviours.load import Behaviour, load_contrast_pairs
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.sampling.shards import AnyStore
from core.search.cross_entropy import SearchResult
from core.search.pilot import measure_default
from core.steering.build import PairsRead, direction_steps
from core.steering.direction import Direction
from core.tasks import Registry, Task

PAIRS, SEARCH = "pairs", "search"


@dataclass(frozen=True)
class BuildStep:
    """`done` of `total` pairs or pilot questions, by the phase; parts of a question count."""

    phase: str
    done: float
    total: int


@dataclass(frozen=True, eq=False)
class Built:
    """The direction, and the search that its settings come from; None where they were known."""

    direction: Direction
    search: SearchResult | None


BuildTasks = Registry[Task[BuildStep | Built]]


@st.cache_resource(show_spinner=False)
def builds() -> BuildTasks:
    """Returns the directions of this process that are being built."""
    return Registry()


def build_name(loaded: LoadedModel, behaviour: Behaviour) -> str:
    """Returns what a build is known by: all that its result depends on."""
    return "\n".join([loaded.fingerprint, behaviour.fingerprint, behaviour.spec.direction])


def build_events(
    loaded: LoadedModel, name: str, behaviour: Behaviour, judge: Judge | None, store: AnyStore
) -> Iterator[BuildStep | Built]:
    """Yields the progress of reading the pairs and then, with a judge, of the search; at last the result.

    name: of the behaviour, as `load_behaviour` takes it.
    """
    pairs, direction = load_contrast_pairs(name), None
    yield BuildStep(PAIRS, 0, len(pairs))
    for read in direction_steps(loaded, pairs, behaviour.spec.direction):
        if isinstance(read, PairsRead):
            yield BuildStep(PAIRS, read.done, read.total)
        else:
            direction = read
    assert direction is not None
    if judge is None:
        yield Built(direction, None)
        return
    for event in measure_default(loaded, name, judge, store):
        if isinstance(event, SearchResult):
            yield Built(direction, event)
        else:
            yield BuildStep(SEARCH, event.done + event.within, event.total)
