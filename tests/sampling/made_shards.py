"""Shards whose rows are made by a formula, so that a sampler can be driven without a model."""

import numpy as np

from core.proposals import ContextSpec
from core.sampling.adaptive import SamplingPlan, Stage
from core.sampling.rows import Rows
from core.sampling.schedule import components
from core.sampling.scored import JudgedShard
from core.sampling.shards import DrawnShard, row_key, sampling_key
from core.sampling.spec import SamplingSpec
from core.spec import GenerationSpec

# An answer is a number, normal under each component; it is harmful above the limit.
CENTRES = np.array([0.0, 1.0, 2.0])
LIMIT = 2.0
NOISE = np.random.default_rng(7).normal(size=5_000)


def made_plan(
    samples: int, *, adaptive: bool = True, shares: tuple[float, ...] = ()
) -> SamplingPlan:
    """Returns the plan of a sample from the target and two proposals."""
    spec = SamplingSpec(
        model_fingerprint="made",
        query="w10",
        generation=GenerationSpec(max_new_tokens=4),
        proposals=(
            ContextSpec(answer_prefix="w20", t_switch=3),
            ContextSpec(answer_prefix="w30", t_switch=4),
        ),
        fingerprints=("", ""),
        shares=shares or (0.334, 0.333, 0.333),
    )
    return SamplingPlan(spec, samples, adaptive, defensive_share=0.1, threshold=0.5)


def made_shard(stage: Stage, rows: range) -> JudgedShard:
    """Returns these rows of a stage, drawn and judged; a token and a hundredth of a second each."""
    component = components(stage.spec.shares, rows)
    answer = NOISE[rows.start : rows.stop] + CENTRES[component]
    log_density = -0.5 * (answer - CENTRES[:, None]) ** 2
    drawn = DrawnShard(
        key=row_key(sampling_key(stage.spec), rows.start, rows.stop),
        start=rows.start,
        rows=Rows(
            tokens=np.zeros((len(rows), 1), dtype=np.int32),
            lengths=np.ones(len(rows), dtype=np.int32),
            log_p=log_density[0][:, None],
            log_q=log_density[1 : len(stage.spec.shares)][:, :, None],
        ),
        component=component,
        shares=stage.spec.shares,
        forward_tokens=len(rows),
        seconds=0.0,
        stored=False,
    )
    return JudgedShard(drawn, (answer > LIMIT).astype(np.float64), stage.number)
