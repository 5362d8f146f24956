"""The adaptive sampler: its stages, and that nothing depends on how its shards are cut or when they come."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache import MemoryStore
from core.judges import Judgement
from core.proposals import ContextSpec
from core.runs.estimate import estimate_shards, sample
from core.runs.request import EstimateRequest
from core.sampling import adaptive
from core.sampling.adaptive import Stage, State
from core.sampling.collect import collect_draws, in_order
from core.sampling.scored import JudgedShard
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model
from tests.sampling.made_shards import made_plan, made_shard

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


def whole_sample(samples: int, *, adaptive_stages: bool = True) -> tuple[State, list[Stage]]:
    """Returns a sample driven to its end, a stage at a time, and its stages."""
    state = adaptive.init(made_plan(samples, adaptive=adaptive_stages))
    asked = []
    while (stage := adaptive.next_rows(state)) is not None:
        asked.append(stage)
        state = adaptive.update(state, [made_shard(stage, range(stage.start, stage.stop))])
    return state, asked


def sizes(asked: list[Stage]) -> list[int]:
    return [stage.stop - stage.start for stage in asked]


def test_stages_add_up() -> None:
    assert sizes(whole_sample(2_300)[1]) == [250, 250, 500, 1_000, 300]
    assert sizes(whole_sample(90)[1]) == [90]
    assert sizes(whole_sample(2_300, adaptive_stages=False)[1]) == [2_300]
    _, asked = whole_sample(2_300)
    assert [stage.number for stage in asked] == [0, 1, 2, 3, 4]
    assert [stage.start for stage in asked] == [0, 250, 500, 1_000, 2_000]


def test_later_stages_prefer_what_finds_harm() -> None:
    _, asked = whole_sample(2_300)
    pilot, *later = [stage.spec.shares for stage in asked]
    assert pilot == made_plan(1).spec.shares
    for target, near, far in later:
        assert target >= 0.1
        assert near >= 0.05 <= far
        assert max(near, far) > 0.4


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_cut_any_order_and_any_interleaving_give_the_same_sample(data: st.DataObject) -> None:
    """Shards are cut anywhere and handed in in any order, a few at a time; the state ends as if whole
    stages had been, and so do shares and estimate. What it asks for is what it lacks, in between too."""
    whole, stages = whole_sample(1_100)
    state = adaptive.init(whole.plan)
    for stage in stages:
        inner = st.integers(stage.start + 1, stage.stop - 1)
        cuts = sorted(data.draw(st.sets(inner, max_size=5)))
        ranges = [
            range(start, stop)
            for start, stop in zip([stage.start, *cuts], [*cuts, stage.stop], strict=True)
        ]
        waiting = [made_shard(stage, rows) for rows in data.draw(st.permutations(ranges))]
        missing = set(range(stage.start, stage.stop))
        while waiting:
            wanted = adaptive.next_rows(state)
            assert wanted is not None
            assert (wanted.spec, wanted.number) == (stage.spec, stage.number)
            assert wanted.start == min(missing)
            assert missing >= set(range(wanted.start, wanted.stop))
            count = data.draw(st.integers(1, len(waiting)))
            now, waiting = waiting[:count], waiting[count:]
            for shard in now:
                missing -= set(range(shard.drawn.start, shard.drawn.stop))
            state = adaptive.update(state, now)
    assert adaptive.next_rows(state) is None
    joined, cut = collect_draws(whole.shards, 0.5), collect_draws(state.shards, 0.5)
    for name in ("log_p", "log_q", "component", "harmful", "judged", "stage"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(cut, name))
    mixed = data.draw(st.permutations(state.shards))
    request = REQUEST.model_copy(update={"threshold": 0.5})
    estimated = estimate_shards(whole.shards, request).to_dict()
    assert estimated["estimate"] > 0
    assert estimate_shards(mixed, request).to_dict() == estimated


def test_a_state_is_a_value() -> None:
    first, _ = whole_sample(600)
    second, _ = whole_sample(600)
    assert first is not second
    assert first == second
    assert hash(first) == hash(second)
    assert repr(first) == repr(second)
    assert "Stage(" in repr(first)
    assert first != whole_sample(601)[0]
    other = made_shard(first.stage, range(590, 600))
    changed = other.scores.copy()
    changed[3] = 1.0 - changed[3]
    assert other == made_shard(first.stage, range(590, 600))
    assert other != type(other)(other.drawn, changed, other.stage)


def test_an_update_leaves_the_state_before_it_as_it_was() -> None:
    before = adaptive.init(made_plan(600))
    stage = adaptive.next_rows(before)
    assert stage is not None
    after = adaptive.update(before, [made_shard(stage, range(0, 250))])
    assert before == adaptive.init(made_plan(600))
    assert after.stage.number == 1
    assert adaptive.update(after, []) == after


def test_rows_that_do_not_belong_are_refused() -> None:
    state = adaptive.init(made_plan(600))
    stage = state.stage
    half = adaptive.update(state, [made_shard(stage, range(0, 100))])
    with pytest.raises(ValueError, match="row 50 must be handed in once, got it twice"):
        adaptive.update(half, [made_shard(stage, range(50, 150))])
    with pytest.raises(
        ValueError, match=r"rows 0\.\.250 of stage 0, got rows 200\.\.300 of stage 0"
    ):
        adaptive.update(half, [made_shard(stage, range(200, 300))])
    later = Stage(stage.spec, 250, 500, 1)
    with pytest.raises(ValueError, match="of stage 0, got rows 300"):
        adaptive.update(half, [made_shard(later, range(300, 310))])


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
