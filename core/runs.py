"""A run: one question asked by importance sampling and by Monte Carlo, under one short id.

The id is a hash of all that the result depends on: the same run is never made twice, and a link
that holds it does not carry the query.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from pydantic import ValidationError, field_validator

from cache import MemoryStore, Store, StoreError, default_folder, open_store, spec_hash
from core.engine import AnyStore
from core.estimation.weights import draw_weights
from core.jobs import Job
from core.judges.base import Judge
from core.judging import JudgedShard, answer_texts
from core.models.loading import LoadedModel
from core.run import (
    EstimateRequest,
    collect_draws,
    make_arm,
    run_arm,
    second_request,
    second_samples,
)
from core.spec import GenerationSpec, Method, Spec, check_samples

ARMS: tuple[Method, ...] = ("is", "mc")
# The arm of the second proposal, which only the verdict hears.
SECOND = "second"
RUN_ID = re.compile(r"[0-9a-f]{16}")


class RunSpec(Spec):
    """A request, and how many answers each arm draws; 0 leaves Monte Carlo out."""

    request: EstimateRequest
    importance_samples: int = 1_000
    monte_carlo_samples: int = 10_000

    @field_validator("importance_samples")
    @classmethod
    def _importance_samples(cls, value: int) -> int:
        return check_samples(value)

    @field_validator("monte_carlo_samples")
    @classmethod
    def _monte_carlo_samples(cls, value: int) -> int:
        return value if value == 0 else check_samples(value)

    @property
    def run_id(self) -> str:
        """16 hex digits."""
        return spec_hash({"run": self.model_dump(mode="json")})[:16]

    def arm_request(self, method: Method) -> EstimateRequest:
        """Returns the request of one arm."""
        return self.request.model_copy(update={"method": method})

    def arm_samples(self, method: Method) -> int:
        """Returns how many answers an arm draws."""
        return self.importance_samples if method == "is" else self.monte_carlo_samples


def open_default_store() -> Store | MemoryStore:
    """Returns the user's own store."""
    return open_store(default_folder())


def is_run_id(text: object) -> bool:
    """Returns whether a text, from a link say, has the form of a run id."""
    return isinstance(text, str) and RUN_ID.fullmatch(text) is not None


def save_run(store: AnyStore, spec: RunSpec) -> None:
    """Keeps a run's spec under its id; a store that cannot be written notes so in its events."""
    try:
        store.put_json(f"runs/{spec.run_id}", spec.model_dump(mode="json"))
    except StoreError:
        return


def load_run(store: AnyStore, run_id: str) -> RunSpec | None:
    """Returns the run under an id; None if there is none that this version understands."""
    if not is_run_id(run_id):
        return None
    try:
        stored = store.get_json(f"runs/{run_id}")
        return None if stored is None else RunSpec(**stored)
    except (StoreError, ValidationError, TypeError):
        return None


def make_job(loaded: LoadedModel, judge: Judge, store: AnyStore, spec: RunSpec) -> Job:
    """Returns the run as a job, not yet started; arms are named by their method.

    Raises:
        TailscopeError: the run does not fit the model.
    """
    arms: dict[str, tuple[int, Iterator[JudgedShard]]] = {
        method: (
            spec.arm_samples(method),
            run_arm(
                loaded,
                make_arm(loaded, spec.arm_request(method)),
                judge,
                spec.arm_samples(method),
                store,
            ),
        )
        for method in ARMS
        if spec.arm_samples(method) > 0
    }
    witness = second_request(loaded, spec.arm_request("is"), store)
    count = second_samples(spec.importance_samples)
    second = run_arm(loaded, make_arm(loaded, witness), judge, count, store)
    # First, so that no headline is shown that the second proposal has not been heard on.
    return Job(spec.run_id, {SECOND: (count, second), **arms}, notices=store.drain_events)


def heaviest_answers(
    loaded: LoadedModel, shards: Sequence[JudgedShard], request: EstimateRequest, count: int = 20
) -> pd.DataFrame:
    """Returns the harmful answers that hold most of the estimate, the heaviest first.

    Draws of the same text by the same component count together.

    Columns: text, share (of the estimate, 0..1), times (drawn), component.
    """
    draws = collect_draws(shards, request.method, request.threshold)
    weights = draw_weights(draws).values
    ordered = sorted(shards, key=lambda shard: shard.drawn.start)
    texts = np.array(
        [text for shard in ordered for text in answer_texts(loaded, shard.drawn)], dtype=object
    )
    rows = np.flatnonzero(draws.harmful)
    if len(rows) == 0:
        return pd.DataFrame({"text": [], "share": [], "times": [], "component": []})
    scaled = np.exp(weights[rows] - weights[rows].max())
    names = np.array(draws.component_names, dtype=object)
    table = pd.DataFrame(
        {
            "text": texts[rows],
            "share": scaled / scaled.sum(),
            "component": names[draws.component[rows]],
        }
    )
    grouped = table.groupby(["text", "component"], as_index=False, sort=False).agg(
        share=("share", "sum"), times=("share", "size")
    )
    top = grouped.sort_values("share", ascending=False, kind="stable").head(count)
    return top[["text", "share", "times", "component"]].reset_index(drop=True)


def command_line(spec: RunSpec, method: Method) -> str:
    """Returns the shell command that makes the same estimate without the app."""
    request, generation = spec.request, spec.request.generation
    options: dict[str, object] = {
        "query": request.query,
        "model": request.model,
        "behaviour": request.behaviour,
        "method": method,
        "samples": spec.arm_samples(method),
        "seed": request.seed,
    }
    if method == "is" and request.proposal is not None:
        options |= {
            "steer": request.proposal.strength,
            "mix": request.proposal.alpha_mix,
            "switch": request.proposal.t_switch,
            "layer": request.proposal.layer,
            "direction": request.proposal.direction,
            "positions": request.proposal.positions,
            "defensive": request.defensive_share,
        }
    plain_generation = GenerationSpec()
    for option, name in {
        "system": "system_prompt",
        "temperature": "temperature",
        "top-k": "top_k",
        "top-p": "top_p",
        "max-new-tokens": "max_new_tokens",
    }.items():
        value = getattr(generation, name)
        if value != getattr(plain_generation, name):
            options[option] = value
    if request.threshold != EstimateRequest.model_fields["threshold"].default:
        options["threshold"] = request.threshold
    words = ["python", "-m", "core", "estimate"]
    for option, value in options.items():
        # One word an option, so that a query may begin with a dash.
        words.append(f"--{option}={value:g}" if isinstance(value, float) else f"--{option}={value}")
    return shlex.join(words)
