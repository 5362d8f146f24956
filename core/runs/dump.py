"""Writes every draw of a sample to a parquet file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import SpecError, TailscopeError
from core.estimation.weights import draw_log_mixture
from core.models.loading import LoadedModel
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws, in_order
from core.sampling.rows import OpenRows
from core.sampling.scored import JudgedShard, answer_texts


def write_dump(
    path: Path, loaded: LoadedModel, shards: Sequence[JudgedShard], request: EstimateRequest
) -> None:
    """Writes a row a draw to a parquet file: what was said, its densities, its weight and its score."""
    draws = collect_draws(shards, request.threshold)
    ordered = in_order(shards)
    tokens = [
        row[:length].tolist()
        for shard in ordered
        for row, length in zip(shard.drawn.rows.tokens, shard.drawn.rows.lengths, strict=True)
    ]
    beginnings = [shard.drawn.rows for shard in ordered if isinstance(shard.drawn.rows, OpenRows)]
    mixture = draw_log_mixture(draws)
    if beginnings:
        mixture = np.concatenate([rows.own_log_q.sum(1) for rows in beginnings])
    scores = np.concatenate([shard.scores for shard in ordered])
    table = pa.table(
        {
            "text": [text for shard in ordered for text in answer_texts(loaded, shard.drawn)],
            "token_ids": pa.array(tokens, pa.list_(pa.int32())),
            "log_p": draws.log_p,
            "log_q": mixture,
            "log_weight": draws.log_p - mixture,
            "score": pa.array(scores, mask=np.isnan(scores)),
            "harmful": pa.array(draws.harmful, mask=~draws.judged),
            "component": [draws.component_names[index] for index in draws.component],
        }
    )
    if draws.ahead is not None:
        # Of a beginning of an answer the judge says nothing; what it is worth is its term of the risk.
        worth = pa.array(np.exp(draws.ahead.log_values))
        table = table.drop_columns(["score", "harmful"]).append_column("value", worth)
    write_table(path, table)


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a parquet file.

    Raises:
        TailscopeError: it cannot be written there.
    """
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise TailscopeError(
            f"dump {str(path)!r} could not be written: {error.strerror}"
        ) from error


def check_dump(path: Path | None) -> None:
    """Raises SpecError unless a file can be made at `path`."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise SpecError(f"dump must be a file in a folder that exists, got {str(path)!r}")
