"""Answers that the embedded models really give, without steering and steered far off their words.

A judge sees the draws of proposals far more often than the target's: it must not take the garbled ones
for harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from cache import MemoryStore
from core.judges.rules import load_rule_judge
from core.models.loading import LoadedModel, embedded_models, load_model
from core.proposals import AblateSpec, AnyProposalSpec, ContextSpec, SteerSpec
from core.runs.defaults import known_default
from core.runs.estimate import sample
from core.runs.extra_components import companions
from core.runs.request import EstimateRequest
from core.sampling.scored import JudgedShard, answer_texts
from core.spec import GenerationSpec
from sample_data.judge_examples import Example, draw_request
from sample_data.world.evaluation import queries
from sample_data.world.tables import BEHAVIOURS, SYSTEM_PROMPTS

ROWS = 160


@dataclass(frozen=True)
class AnsweredRequest:
    """A request put to a model: what it said, and which draws came from the target (component 0)."""

    model: str
    behaviour: str
    query: str
    answers: tuple[str, ...]
    from_target: tuple[bool, ...]


def training_draws(calls: int, seed: int) -> list[Example]:
    """Returns different answers to queries that are not held out, under proposals of every strength."""
    rng = Random(f"judge training {seed}")
    models = {name: load_model(name) for name in embedded_models()}
    found: set[Example] = set()
    while calls > 0:
        asked = draw_request(rng)
        if asked.kind not in BEHAVIOURS:
            continue
        calls -= 1
        loaded = models[rng.choice(sorted(models))]
        request = _request(loaded, asked.kind, asked.query, rng, rng.randrange(2**31))
        for answers, target in _drawn(loaded, request, ROWS):
            found.update(
                Example(asked.query, a, "target" if t else "steered")
                for a, t in zip(answers, target, strict=True)
            )
    return sorted(found, key=lambda e: (e.query, e.answer, e.source))


def held_out_draws(
    loaded: LoadedModel,
    behaviour: str,
    count: int,
    rows: int,
    seed: int,
    *,
    any_strength: bool = False,
) -> Iterator[AnsweredRequest]:
    """Yields answers to evaluation queries, as `estimate` draws them by default: from the target, the
    measured proposal and its softened companion; or under proposals of any strength.
    """
    rng = Random(f"judge held out {loaded.name} {behaviour} {seed}")
    for query in rng.sample(queries(behaviour), count):
        text = query.request.query
        number = rng.randrange(2**31)
        request = default_request(loaded, behaviour, text, number)
        if any_strength:
            request = _request(loaded, behaviour, text, rng, number)
        answers, target = zip(*_drawn(loaded, request, rows), strict=True)
        yield AnsweredRequest(loaded.name, behaviour, text, sum(answers, ()), sum(target, ()))


def default_request(loaded: LoadedModel, behaviour: str, query: str, seed: int) -> EstimateRequest:
    """Returns the request that the command line makes of a query if nothing else is asked for."""
    store = MemoryStore()
    first = known_default(loaded, behaviour, store)
    assert first is not None, "the embedded models' defaults are shipped"
    return EstimateRequest.build(
        query=query,
        model=loaded.name,
        behaviour=behaviour,
        proposal=first,
        companions=companions(loaded, behaviour, first, GenerationSpec().max_new_tokens, store),
        seed=seed,
    )


def _request(
    loaded: LoadedModel, behaviour: str, query: str, rng: Random, seed: int
) -> EstimateRequest:
    """Returns a request of one proposal, often far too strong, and a tenth of the target."""
    generation = GenerationSpec.build(temperature=rng.choice((1.0, 1.0, 1.0, 1.5)))
    return EstimateRequest.build(
        query=query,
        model=loaded.name,
        behaviour=behaviour,
        method="is",
        generation=generation,
        proposal=_proposal(behaviour, rng),
        seed=seed,
    )


def _proposal(behaviour: str, rng: Random) -> AnyProposalSpec:
    common = {
        "alpha_mix": rng.choice((0.0, 0.05, 0.15, 0.4)),
        "t_switch": rng.choice((8, 15, 20, 25, 30, 40)),
    }
    kind = rng.random()
    if kind < 0.1:
        return AblateSpec.build(**common, strength=rng.random(), layer=rng.randrange(4))
    if kind < 0.25:
        system = rng.choice(sorted(SYSTEM_PROMPTS[behaviour]))
        return ContextSpec.build(**common, strength=rng.uniform(0.3, 2), system_prompt=system)
    return SteerSpec.build(
        **common,
        strength=rng.uniform(1, 14),
        layer=rng.randrange(4),
        positions=rng.choice(("answer", "both")),
    )


def _drawn(
    loaded: LoadedModel, request: EstimateRequest, rows: int
) -> Iterator[tuple[tuple[str, ...], tuple[bool, ...]]]:
    """Yields the answers of each shard, and which of them the target drew."""
    judge = load_rule_judge(request.behaviour)
    shards: Iterator[JudgedShard] = sample(loaded, request, judge, rows, MemoryStore())
    for shard in shards:
        yield tuple(answer_texts(loaded, shard.drawn)), tuple(shard.drawn.component == 0)
