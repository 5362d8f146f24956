"""Scores are kept by judge; what a judge could not score is asked again, and only that."""

import numpy as np

from cache import MemoryStore
from core.judges import Judgement
from core.sampling.scored import judge_shard
from core.sampling.shards import draw_rows
from core.sampling.spec import SamplingSpec
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

LOADED = tiny_model(stops=(1, 2))
QUERY = "w10 w11"
SPEC = SamplingSpec(
    model_fingerprint=LOADED.fingerprint,
    query=QUERY,
    generation=GenerationSpec(max_new_tokens=4),
)


class Unreliable:
    """Scores every answer 1, but for the first call, in which every third has no score."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def judge(self, query: str, answers: list[str]) -> list[Judgement]:
        self.asked.append(len(answers))
        silent = len(self.asked) == 1
        return [
            Judgement(None if silent and row % 3 == 0 else 1.0, "") for row in range(len(answers))
        ]

    def spec(self) -> dict[str, str]:
        return {"judge": "unreliable"}


def test_only_what_had_no_score_is_judged_again() -> None:
    judge, store = Unreliable(), MemoryStore()
    shard = draw_rows(LOADED, SPEC, range(30))
    first = judge_shard(LOADED, judge, QUERY, shard, store)
    assert np.isnan(first.scores[::3]).all()
    second = judge_shard(LOADED, judge, QUERY, shard, store)
    assert (second.scores == 1.0).all()
    third = judge_shard(LOADED, judge, QUERY, shard, store)
    assert judge.asked == [30, 10]
    np.testing.assert_array_equal(second.scores, third.scores)
