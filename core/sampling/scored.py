"""Scores a shard's answers with a judge; scores are stored apart from draws, by judge."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache import Shard, StoreError, spec_hash
from core.judges.base import Judge
from core.models.chat import answer_text
from core.models.loading import LoadedModel
from core.sampling.rows import ArrayRecord, OpenRows, Rows
from core.sampling.shards import AnyStore, DrawnShard

# Raise this when the same answer would be handed to a judge as another text.
JUDGING_VERSION = 1


@dataclass(frozen=True, eq=False)
class JudgedShard(ArrayRecord):
    """A shard with its answers' scores: (n,) float64 in [0, 1], NaN where the judge gave none.

    stage: the round of an adaptive sample that it belongs to. answers: (n,) int64, as of `answer_numbers`,
    where the tokens are gone.
    """

    drawn: DrawnShard
    scores: NDArray[np.float64]
    stage: int = 0
    answers: NDArray[np.int64] | None = None


def judge_shard(
    loaded: LoadedModel,
    judge: Judge,
    query: str,
    shard: DrawnShard,
    store: AnyStore,
    stage: int = 0,
    head: JudgedShard | None = None,
) -> JudgedShard:
    """Returns the shard's scores, stored ones where there are any; what had none is judged again.

    A judge behind a server may have been out of reach: its silence must not be remembered for good.
    head: the shard's first rows, if they have been judged by `judge_head`.
    """
    key = scores_key(judge.spec(), shard.key)
    scores = known_scores(store, key, shard)
    _take_over(head, scores)
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing) == 0:
        return JudgedShard(shard, scores, stage)
    texts = answer_texts(loaded, shard)
    scores[missing] = score_texts(judge, query, [texts[row] for row in missing])
    # What the store cannot take is among its events; the scores themselves are good.
    keep_scores(store, key, scores)
    return JudgedShard(shard, scores, stage)


def judge_head(
    loaded: LoadedModel,
    judge: Judge,
    query: str,
    shard: DrawnShard,
    stage: int,
    before: JudgedShard | None = None,
) -> JudgedShard:
    """Returns the scores of a shard that still grows; nothing is stored. before: as it was."""
    scores = unasked_scores(shard)
    if not np.isnan(scores).any():
        return JudgedShard(shard, scores, stage)
    judged = _take_over(before, scores)
    texts = answer_texts(loaded, shard)[judged:]
    scores[judged:] = score_texts(judge, query, texts)
    return JudgedShard(shard, scores, stage)


def _take_over(head: JudgedShard | None, scores: NDArray[np.float64]) -> int:
    """Enters the scores of a shard's first rows where there are none; returns how many rows they are."""
    if head is None:
        return 0
    known = scores[: len(head.scores)]
    np.copyto(known, head.scores, where=np.isnan(known))
    return len(known)


def scores_key(judge_spec: Mapping[str, Any], shard_key: str) -> str:
    """Returns the key of a shard's scores by a judge of this spec."""
    return f"scores/{spec_hash({'judging': JUDGING_VERSION, **judge_spec})}/{shard_key}"


def known_scores(store: AnyStore, key: str, shard: DrawnShard) -> NDArray[np.float64]:
    """Returns what is known of a shard's scores without the judge: (n,) float64, NaN where there is none."""
    if isinstance(shard.rows, OpenRows):
        return unasked_scores(shard)
    return stored_scores(store, key, len(shard))


def unasked_scores(shard: DrawnShard) -> NDArray[np.float64]:
    """Returns the scores that need no judge: NaN for whole answers.

    No judge is asked about a beginning of an answer. Its score is its value of the risk, 1 at most.
    """
    if isinstance(shard.rows, OpenRows):
        return np.minimum(shard.rows.values(shard.shares), 1.0)
    return np.full(len(shard), np.nan)


def stored_scores(store: AnyStore, key: str, count: int) -> NDArray[np.float64]:
    """Returns the stored scores, (count,) float64; NaN where there is none."""
    with suppress(StoreError):
        shard = store.get(key)
        if shard is not None and len(shard.arrays["scores"]) == count:
            return np.array(shard.arrays["scores"], dtype=np.float64)
    return np.full(count, np.nan)


def keep_scores(store: AnyStore, key: str, scores: NDArray[np.float64]) -> bool:
    """Stores scores; returns whether they could be."""
    try:
        store.put(key, Shard(arrays={"scores": scores}))
    except StoreError:
        return False
    return True


def score_texts(judge: Judge, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Returns the judge's score of each answer, NaN where it gave none."""
    scores = [judgement.score for judgement in judge.judge(query, texts)]
    return np.array([np.nan if score is None else score for score in scores], dtype=np.float64)


def answer_texts(loaded: LoadedModel, shard: DrawnShard) -> list[str]:
    """Returns each row's answer as text."""
    known: dict[bytes, str] = {}
    texts = []
    for tokens, length in zip(shard.rows.tokens, shard.rows.lengths, strict=True):
        ended = tokens[:length]
        spelled = ended.tobytes()
        if spelled not in known:
            known[spelled] = answer_text(loaded, ended.tolist())
        texts.append(known[spelled])
    return texts


def summed(judged: JudgedShard) -> JudgedShard:
    """Returns a shard with each row's log-probabilities added up, and without its tokens.

    It gives the same estimate in a fortieth of the memory.
    """
    rows = judged.drawn.rows
    drawn = replace(
        judged.drawn,
        rows=_open_summed(rows, judged.drawn.shares)
        if isinstance(rows, OpenRows)
        else _summed(rows),
        component=judged.drawn.component.copy(),
    )
    return replace(judged, drawn=drawn, answers=answer_numbers(judged))


def answer_numbers(judged: JudgedShard) -> NDArray[np.int64]:
    """Returns a number for each row's answer, (n,) int64: the same for the same tokens, in every shard.

    64 bits of a hash. Two answers under one number would count as one, with the smaller probability: certain
    bounds stay certain.
    """
    if judged.answers is not None:
        return judged.answers
    rows = judged.drawn.rows
    digests = b"".join(
        blake2b(tokens[:length].tobytes(), digest_size=8).digest()
        for tokens, length in zip(rows.tokens, rows.lengths.tolist(), strict=True)
    )
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def _summed(rows: Rows) -> Rows:
    return Rows(
        tokens=np.empty((len(rows), 0), dtype=rows.tokens.dtype),
        lengths=rows.lengths.copy(),
        log_p=rows.log_p.sum(1)[:, None],
        log_q=rows.log_q.sum(2)[:, :, None],
    )


def _open_summed(rows: OpenRows, shares: tuple[float, ...]) -> OpenRows:
    """Returns rows of one token with the same values."""
    if len(rows.log_q):
        # What a row is worth depends on the shares of all rows, which are not known yet.
        return rows
    nothing = np.zeros((len(rows), 1))
    rest = rows.values(shares) - rows.exact
    return OpenRows(
        tokens=np.empty((len(rows), 0), dtype=rows.tokens.dtype),
        lengths=rows.lengths.copy(),
        log_p=nothing,
        log_q=rows.log_q[:, :, :1].copy(),
        mass=np.maximum(rest, 0.0)[:, None],
        own_log_q=nothing,
        exact=rows.exact.copy(),
        unknown=rows.unknown.copy(),
        boost=rows.boost.copy(),
        rounding=rows.rounding.copy(),
    )
