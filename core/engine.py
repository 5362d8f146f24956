"""Draws answers shard by shard: what is stored is read, what is missing is computed and stored.

A shard is a run of rows of one `SamplingSpec`. A row's draw depends on the spec and the row's number
alone, so shards may be made in any order, of any size and by any process, and merge to the same sample.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache import MemoryStore, Shard, Store, StoreError, spec_hash
from core.models.chat import prompt_ids
from core.models.loading import LoadedModel
from core.proposals.steer import open_stream
from core.sampling import Rows, row_uniforms, run_rows
from core.spec import SamplingSpec
from core.steering.contrast import Direction

SHARD_ROWS = 250
# Raise this when the same spec would draw other tokens than before.
SAMPLING_VERSION = 1

AnyStore = Store | MemoryStore


@dataclass(frozen=True)
class DrawnShard:
    """Rows start..start+n of a spec's sample.

    from_target: (n,) bool, drawn from the target (Monte Carlo, or the defensive share). forward_tokens:
    tokens that went through the model for it, prompt and steered rows counted. seconds: what it took when
    it was drawn. key: where it is stored. stored: whether it was read and not drawn.
    """

    key: str
    start: int
    rows: Rows
    from_target: NDArray[np.bool_]
    forward_tokens: int
    seconds: float
    stored: bool

    def __len__(self) -> int:
        return len(self.rows.lengths)

    @property
    def stop(self) -> int:
        return self.start + len(self)


def target_rows(defensive_share: float, rows: range) -> NDArray[np.bool_]:
    """Returns which rows the target draws: an even share, ceil(defensive_share * n) of the first n.

    The first row is one of them, so that any sample has a witness that no proposal can blind.
    """
    before = np.arange(rows.start, rows.stop)
    # Rounding first: 30 * 0.1 is a hair above 3, and must not count as the fourth row.
    due = np.ceil(np.round(np.array([before, before + 1]) * defensive_share, 9))
    return np.asarray(due[1] > due[0])


def sampling_key(spec: SamplingSpec) -> str:
    """Returns the hash under which a spec's shards are stored: all that decides its draws, nothing else."""
    fields = spec.model_dump(mode="json")
    if spec.proposal is None:
        del fields["proposal"], fields["direction_fingerprint"], fields["defensive_share"]
    return spec_hash({"sampling": SAMPLING_VERSION, **fields})


def draw_shards(
    loaded: LoadedModel,
    spec: SamplingSpec,
    samples: int,
    store: AnyStore,
    *,
    direction: Direction | None = None,
    batch_rows: int = SHARD_ROWS,
) -> Iterator[DrawnShard]:
    """Yields the shards that hold rows 0..samples of a spec, in order.

    A store that cannot be written does not stop the run: what is drawn is still yielded.

    Raises:
        NumericsError: the model returned NaN or infinite logits.
    """
    key = sampling_key(spec)
    known = _stored_ranges(store, key)
    start = 0
    while start < samples:
        stop = _next_stop(start, samples, known)
        shard = _read(store, key, start, known)
        if shard is None:
            shard = draw_rows(loaded, spec, range(start, stop), direction, batch_rows, key=key)
            _write(store, shard)
        yield _head(shard, samples)
        start = shard.stop


def draw_rows(
    loaded: LoadedModel,
    spec: SamplingSpec,
    rows: range,
    direction: Direction | None = None,
    batch_rows: int = SHARD_ROWS,
    *,
    key: str | None = None,
) -> DrawnShard:
    """Returns these rows of a spec's sample, drawn now."""
    began = time.perf_counter()
    key = key or sampling_key(spec)
    prompt = prompt_ids(loaded, spec.query, spec.generation.system_prompt)
    parts, forward_tokens = [], 0
    for start in range(rows.start, rows.stop, batch_rows):
        batch = range(start, min(start + batch_rows, rows.stop))
        stream, mixing = open_stream(
            loaded,
            [prompt],
            spec.generation.max_new_tokens,
            spec.proposal,
            direction,
        )
        drawn = run_rows(
            stream,
            spec.generation,
            stop_token_ids=loaded.stop_token_ids,
            vocabulary=loaded.vocabulary,
            uniforms=row_uniforms(
                spec.seed, int(key[:16], 16), batch, spec.generation.max_new_tokens
            ),
            mixing=mixing,
            from_target=target_rows(spec.defensive_share, batch),
        )
        parts.append(drawn)
        forward_tokens += stream.forward_tokens
    return DrawnShard(
        key=_row_key(key, rows.start, rows.stop),
        start=rows.start,
        rows=Rows(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("tokens", "lengths", "log_p", "log_q")
            )
        ),
        from_target=(
            np.ones(len(rows), dtype=bool)
            if spec.proposal is None
            else target_rows(spec.defensive_share, rows)
        ),
        forward_tokens=forward_tokens,
        seconds=time.perf_counter() - began,
        stored=False,
    )


def _row_key(key: str, start: int, stop: int) -> str:
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


def _read(store: AnyStore, key: str, start: int, known: dict[int, int]) -> DrawnShard | None:
    stop = known.get(start)
    if stop is None:
        return None
    try:
        shard = store.get(_row_key(key, start, stop))
    except StoreError:
        return None
    if shard is None:
        return None
    arrays, meta = shard.arrays, shard.meta
    return DrawnShard(
        key=_row_key(key, start, stop),
        start=start,
        rows=Rows(arrays["tokens"], arrays["lengths"], arrays["log_p"], arrays["log_q"]),
        from_target=arrays["from_target"],
        forward_tokens=int(meta["forward_tokens"]),
        seconds=float(meta["seconds"]),
        stored=True,
    )


def _write(store: AnyStore, shard: DrawnShard) -> None:
    rows = shard.rows
    try:
        store.put(
            shard.key,
            Shard(
                arrays={
                    "tokens": rows.tokens,
                    "lengths": rows.lengths,
                    "log_p": rows.log_p,
                    "log_q": rows.log_q,
                    "from_target": shard.from_target,
                },
                meta={"forward_tokens": shard.forward_tokens, "seconds": shard.seconds},
            ),
        )
    except StoreError:
        # The store has noted it among its events, which the caller shows; the draws themselves are good.
        return


def _head(shard: DrawnShard, samples: int) -> DrawnShard:
    """Returns the part of a shard that lies before row `samples`."""
    wanted = min(shard.stop, samples) - shard.start
    if wanted == len(shard):
        return shard
    share = wanted / len(shard)
    rows = shard.rows
    return DrawnShard(
        key=f"{shard.key}[:{wanted}]",
        start=shard.start,
        rows=Rows(
            rows.tokens[:wanted], rows.lengths[:wanted], rows.log_p[:wanted], rows.log_q[:wanted]
        ),
        from_target=shard.from_target[:wanted],
        forward_tokens=math.ceil(shard.forward_tokens * share),
        seconds=shard.seconds * share,
        stored=shard.stored,
    )
