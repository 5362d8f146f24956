"""Draws answers shard by shard: what is stored is read, what is missing is computed and stored.

A shard is a run of rows of one `SamplingSpec`. A row's draw depends on the spec and the row's number
alone, so shards may be made in any order, of any size and by any process, and merge to the same sample.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cache import MemoryStore, Shard, Store, StoreError, spec_hash
from core.models.batching import RanBatch, batch_steps
from core.models.loading import LoadedModel
from core.proposals import Arm, Proposal, target_arm
from core.sampling.beam import LookAhead, beam_steps
from core.sampling.loop import TARGET, TokenMixing, row_steps, row_uniforms
from core.sampling.open_rows import open_row_steps
from core.sampling.rows import ArrayRecord, OpenRows, Rows
from core.sampling.schedule import components
from core.sampling.spec import SamplingSpec
from core.sampling.streams import open_stream
from core.tasks import Progress, Steps, at_once, mapped, outcome_last

SHARD_ROWS = 250
# Raise this when the same spec would draw other tokens than before.
SAMPLING_VERSION = 1
# Of the models in use; those with the most tokens have 262,144.
LARGEST_VOCABULARY = 2**18

AnyStore = Store | MemoryStore


@dataclass(frozen=True, eq=False)
class DrawnShard(ArrayRecord):
    """Rows start..start+n of a spec's sample.

    component: (n,) int64, what drew each row, 0 the target and j the j-th proposal. shares: the spec's,
    in which its rows are shared out. forward_tokens: tokens that went through the models for it, prompts
    and proposals' rows counted. seconds: what it took when it was drawn. key: where it is stored.
    stored: whether it was read and not drawn. vocabulary: over how many tokens each was normalised; at most
    this many where a shard was stored without it.
    """

    key: str
    start: int
    rows: Rows
    component: NDArray[np.int64]
    shares: tuple[float, ...]
    forward_tokens: int
    seconds: float
    stored: bool
    vocabulary: int = LARGEST_VOCABULARY

    def __len__(self) -> int:
        return len(self.rows.lengths)

    @property
    def stop(self) -> int:
        return self.start + len(self)


# How far a shard is that is being drawn, in answers; a shard of those that are finished, if any are.
InHand = Progress[DrawnShard | None]


def sampling_key(spec: SamplingSpec) -> str:
    """Returns the hash under which a spec's shards are stored: all that decides its draws, nothing else."""
    fields = spec.model_dump(mode="json")
    if not spec.proposals:
        # One arm, whatever others exist: keys of Monte Carlo draws outlive new fields of proposals.
        del fields["proposals"], fields["fingerprints"], fields["shares"]
    return spec_hash({"sampling": SAMPLING_VERSION, **fields})


def draw_shards(
    loaded: LoadedModel,
    spec: SamplingSpec,
    samples: int,
    store: AnyStore,
    *,
    proposals: Sequence[Proposal] = (),
    batch_rows: int = SHARD_ROWS,
    start: int = 0,
    ahead: LookAhead | None = None,
) -> Iterator[DrawnShard]:
    """Yields the shards of `shards_in_hand` that are whole. Raises: as it does."""
    for each in shards_in_hand(
        loaded,
        spec,
        samples,
        store,
        proposals=proposals,
        batch_rows=batch_rows,
        start=start,
        ahead=ahead,
    ):
        if isinstance(each, DrawnShard):
            yield each


def shards_in_hand(
    loaded: LoadedModel,
    spec: SamplingSpec,
    samples: int,
    store: AnyStore,
    *,
    proposals: Sequence[Proposal] = (),
    batch_rows: int = SHARD_ROWS,
    start: int = 0,
    ahead: LookAhead | None = None,
) -> Iterator[DrawnShard | InHand]:
    """Yields the shards that hold rows start..samples of a spec, in order; between them, how far the next is.

    proposals: the spec's, made ready. ahead: what follows the spec's rule, if rows are beginnings of answers.
    A store that cannot be written does not stop the run: what is drawn is still yielded. If the work ends
    within a shard, what is finished of it is stored.

    Raises:
        ModelError: not even one row fits into memory.
        NumericsError: the model returned NaN or infinite logits.
    """
    key = sampling_key(spec)
    for rows, stored in stored_pieces(store, spec, start, samples):
        if stored is not None:
            yield replace(stored, vocabulary=loaded.vocabulary)
            continue
        head: DrawnShard | None = None
        steps = draw_steps(loaded, spec, rows, proposals, batch_rows, key=key, ahead=ahead)
        try:
            for at in outcome_last(steps):
                if isinstance(at, DrawnShard):
                    head = None
                    keep_shard(store, at)
                else:
                    head = at.partial
                yield at
        except BaseException:
            # Whatever ends it, a cancel or the reader going away: answers may have taken minutes.
            if head is not None:
                keep_shard(store, head)
            raise


def stored_pieces(
    store: AnyStore, spec: SamplingSpec, start: int, stop: int
) -> Iterator[tuple[range, DrawnShard | None]]:
    """Yields rows start..stop of a sample piece by piece: a stored shard, or None where one is missing."""
    key = sampling_key(spec)
    known = _stored_ranges(store, key)
    while start < stop:
        end = _next_stop(start, stop, known)
        shard = _read(store, key, spec.shares, start, known)
        if shard is not None:
            shard = _head(shard, stop)
            end = shard.stop
        yield range(start, end), shard
        start = end


def draw_steps(
    loaded: LoadedModel,
    spec: SamplingSpec,
    rows: range,
    proposals: Sequence[Proposal] = (),
    batch_rows: int = SHARD_ROWS,
    *,
    key: str | None = None,
    ahead: LookAhead | None = None,
) -> Steps[DrawnShard | None, DrawnShard]:
    """Returns these rows of a spec's sample, drawn now.

    Yields the progress in answers; its partial result is a shard of the rows that are finished.
    batch_rows: how many to compute at once; fewer are if memory runs out, or if they take long. ahead: as for
    `shards_in_hand`.

    Raises:
        ModelError: not even one row fits into memory.
        NumericsError: the model returned NaN or infinite logits.
    """
    key = key or sampling_key(spec)
    component = components(spec.shares, rows)
    arms, mixings = _arms(loaded, spec, proposals)
    steps = spec.generation.max_new_tokens
    numbers = int(key[:16], 16)

    def run(batch: range) -> Steps[None, tuple[Rows, int]]:
        stream = open_stream(arms, steps)
        uniforms = row_uniforms(spec.seed, numbers, batch, steps)
        drawn_by = component[batch.start - rows.start : batch.stop - rows.start]
        if ahead is not None:
            drawing: Steps[None, Rows] = open_row_steps(
                stream,
                spec.generation,
                ahead.automaton,
                vocabulary=loaded.vocabulary,
                uniforms=uniforms,
                mixings=mixings,
                component=drawn_by,
                beam=ahead.beam,
            )
        else:
            drawing = row_steps(
                stream,
                spec.generation,
                stop_token_ids=loaded.stop_token_ids,
                vocabulary=loaded.vocabulary,
                uniforms=uniforms,
                mixings=mixings,
                component=drawn_by,
            )
        return (yield from drawing), stream.forward_tokens

    def shard_of(parts: Sequence[RanBatch[tuple[Rows, int]]]) -> DrawnShard:
        drawn = type(parts[0].result[0]).joined([part.result[0] for part in parts])
        return DrawnShard(
            key=row_key(key, rows.start, rows.start + len(drawn)),
            start=rows.start,
            rows=drawn,
            component=component[: len(drawn)],
            shares=spec.shares,
            forward_tokens=beam.result[1] + sum(part.result[1] for part in parts),
            seconds=beam.seconds + sum(part.seconds for part in parts),
            stored=False,
            vocabulary=loaded.vocabulary,
        )

    beam = yield from _beam(arms[0], spec, ahead, len(rows))
    cost = sum(len(arm.prompts[0]) + steps for arm in arms)
    head: DrawnShard | None = None
    finished = 0

    def with_head(
        at: Progress[tuple[RanBatch[tuple[Rows, int]], ...]],
    ) -> Progress[DrawnShard | None]:
        nonlocal head, finished
        if len(at.partial) > finished:
            head, finished = shard_of(at.partial), len(at.partial)
        return at.with_partial(head)

    batches = batch_steps(loaded, rows, batch_rows, run, row_cost=cost)
    return shard_of((yield from mapped(batches, with_head)))


draw_rows = at_once(draw_steps)


def _beam(
    target: Arm, spec: SamplingSpec, ahead: LookAhead | None, count: int
) -> Steps[DrawnShard | None, RanBatch[tuple[None, int]]]:
    """Makes the beam if there is to be one and none was made yet; returns what it cost.

    count: rows that wait for it.
    """
    if ahead is None or ahead.beam is not None:
        return RanBatch((None, 0), 0.0)
    began = time.perf_counter()
    stream = open_stream([target], spec.generation.max_new_tokens)
    steps = beam_steps(
        stream, spec.generation, ahead.automaton, vocabulary=target.loaded.vocabulary
    )
    ahead.beam = yield from mapped(steps, lambda at: Progress(0.0, count, "answers"))
    return RanBatch((None, stream.forward_tokens), time.perf_counter() - began)


def _arms(
    loaded: LoadedModel, spec: SamplingSpec, proposals: Sequence[Proposal]
) -> tuple[list[Arm], list[TokenMixing]]:
    """Returns what is to be computed, the target first, and how each proposal mixes it."""
    target = target_arm(loaded, [spec.query], spec.generation)
    arms, mixings = [target], []
    for proposal in proposals:
        arm = proposal.arm(loaded, [spec.query], spec.generation)
        # A proposal that is the target keeps its number, but nothing is computed for it.
        arms.append(arm or target)
        own = TokenMixing(proposal.spec.alpha_mix, proposal.spec.t_switch)
        mixings.append(TARGET if arm is None else own)
    return arms, mixings


def row_key(key: str, start: int, stop: int) -> str:
    """Returns the key of a shard: rows start..stop of a sample."""
    return f"{key}/{start:09d}-{stop:09d}"


def _stored_ranges(store: AnyStore, key: str) -> dict[int, int]:
    """Returns start -> furthest stop of the stored shards of a spec."""
    found: dict[int, int] = {}
    try:
        for name in store.keys(f"{key}/"):
            start, stop = (int(part) for part in name.rsplit("/", 1)[1].split("-"))
            found[start] = max(found.get(start, 0), stop)
    except StoreError:
        return {}
    return found


def _next_stop(start: int, samples: int, known: dict[int, int]) -> int:
    stop = min(samples, (start // SHARD_ROWS + 1) * SHARD_ROWS)
    return min([stop, *(other for other in known if start < other < stop)])


def _read(
    store: AnyStore, key: str, shares: tuple[float, ...], start: int, known: dict[int, int]
) -> DrawnShard | None:
    stop = known.get(start)
    if stop is None:
        return None
    try:
        shard = store.get(row_key(key, start, stop))
    except StoreError:
        return None
    # Shards of an earlier form are drawn anew.
    if shard is None or "component" not in shard.arrays:
        return None
    arrays, meta = shard.arrays, shard.meta
    kind = OpenRows if "mass" in arrays else Rows
    return DrawnShard(
        key=row_key(key, start, stop),
        start=start,
        rows=kind(*(arrays[name] for name in kind.names())),
        component=arrays["component"],
        shares=shares,
        forward_tokens=int(meta["forward_tokens"]),
        seconds=float(meta["seconds"]),
        stored=True,
        vocabulary=int(meta.get("vocabulary", LARGEST_VOCABULARY)),
    )


def keep_shard(store: AnyStore, shard: DrawnShard) -> bool:
    """Stores a shard; returns whether it could be. If not, the store has noted why among its events."""
    rows = shard.rows
    try:
        store.put(
            shard.key,
            Shard(
                arrays={name: getattr(rows, name) for name in rows.names()}
                | {"component": shard.component},
                meta={
                    "forward_tokens": shard.forward_tokens,
                    "seconds": shard.seconds,
                    "vocabulary": shard.vocabulary,
                },
            ),
        )
    except StoreError:
        return False
    return True


def _head(shard: DrawnShard, samples: int) -> DrawnShard:
    """Returns the part of a shard that lies before row `samples`."""
    wanted = min(shard.stop, samples) - shard.start
    if wanted == len(shard):
        return shard
    share = wanted / len(shard)
    return replace(
        shard,
        key=f"{shard.key}[:{wanted}]",
        rows=shard.rows.take(slice(wanted)),
        component=shard.component[:wanted],
        forward_tokens=math.ceil(shard.forward_tokens * share),
        seconds=shard.seconds * share,
    )
