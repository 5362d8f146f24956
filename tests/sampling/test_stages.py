"""The rows of an adaptive sample: every stage draws new ones, and a longer sample begins with a shorter."""

from collections.abc import Sequence

import numpy as np
import pytest

from cache import MemoryStore
from core.judges import Judgement
from core.proposals import ContextSpec
from core.runs.request import EstimateRequest, estimate_shards, in_order, sample
from core.sampling.scored import JudgedShard
from core.sampling.stages import stage_sizes
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

LOADED = tiny_model(stops=tuple(range(1, 9)))
REQUEST = EstimateRequest(
    query="w10 w11",
    proposal=ContextSpec(answer_prefix="w20", t_switch=3),
    companions=(ContextSpec(answer_prefix="w30 w31", t_switch=4),),
    generation=GenerationSpec(max_new_tokens=6),
)


class NeverHarm:
    """Finds nothing harmful, so that every stage is shared out evenly."""

    def judge(self, query: str, answers: list[str]) -> list[Judgement]:
        return [Judgement(0.0, "")] * len(answers)

    def spec(self) -> dict[str, str]:
        return {"judge": "never"}


def drawn(samples: int, store: MemoryStore | None = None) -> list[JudgedShard]:
    return in_order(list(sample(LOADED, REQUEST, NeverHarm(), samples, store or MemoryStore())))


def tokens(shards: list[JudgedShard]) -> np.ndarray:
    return np.concatenate([shard.drawn.rows.tokens for shard in shards])


def test_stages_of_equal_shares_do_not_draw_the_same_rows() -> None:
    shards = drawn(1_500)
    assert not any(shard.drawn.stored for shard in shards)
    ranges = [(shard.drawn.key.split("/")[0], shard.drawn.start) for shard in shards]
    assert len(set(ranges)) == len(ranges)
    assert sum(len(shard.drawn) for shard in shards) == 1_500


def test_a_longer_sample_begins_with_the_shorter_one() -> None:
    store = MemoryStore()
    short, long = drawn(700, store), drawn(1_200, store)
    np.testing.assert_array_equal(tokens(short), tokens(long)[:700])
    assert sum(len(shard.drawn) for shard in long if not shard.drawn.stored) == 500


def test_stages_add_up() -> None:
    assert list(stage_sizes(2_300, adaptive=True)) == [250, 250, 500, 1_000, 300]
    assert list(stage_sizes(90, adaptive=True)) == [90]
    assert list(stage_sizes(2_300, adaptive=False)) == [2_300]


class SomeHarm:
    """Calls an answer harmful by its length, which differs from row to row."""

    def spec(self) -> dict[str, str]:
        return {"judge": "some harm"}

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        return [Judgement(float(len(answer) % 3 == 0), "by its length") for answer in answers]


@pytest.mark.parametrize("method", ["mc", "is", "mis"])
def test_the_order_in_which_shards_arrive_changes_nothing(method: str) -> None:
    request = REQUEST.model_copy(update={"method": method})
    shards = list(sample(LOADED, request, SomeHarm(), 900, MemoryStore()))
    assert len(shards) > 3
    found = estimate_shards(shards, request).to_dict()
    # The confidence sequence reads the rows one after the other: theirs is the order that counts.
    assert found["cs_low"] > 0
    assert estimate_shards(shards[::-1], request).to_dict() == found
