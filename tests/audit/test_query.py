"""A query of an audit as a state: which rows it asks for, and that it stops where it should."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audit.query import (
    QueryState,
    StageRequest,
    StageResult,
    init,
    is_narrow,
    next_rows,
    update,
)
from core.audit.spec import AuditSpec
from core.estimation.estimate import estimate
from core.estimation.evidence import Verdict
from core.executors.worker import Prepared
from core.queries.query import Query
from core.runs.request import EstimateRequest, Fingerprints
from core.sampling.adaptive import Stage
from core.sampling.collect import collect_draws
from tests.audit.audits import small_spec
from tests.sampling.made_shards import made_plan, made_shard

PLAN = made_plan(1).spec
QUERY = Query("one", "w10 w11", "group")


def begun(spec: AuditSpec, *, second: bool = False) -> QueryState:
    """Returns the state of a query before its first row."""
    request = EstimateRequest(
        query="another",
        method=spec.method,
        proposal=PLAN.proposals[0],
        companions=PLAN.proposals[1:] if spec.method == "mis" else (),
        generation=PLAN.generation,
        threshold=0.5,
    )
    known = Fingerprints("made", ("",) * len(request.proposals))
    prepared = Prepared(request, known, {"judge": "made"}, {})
    if second:
        other = request.model_copy(update={"defensive_share": 0.0})
        prepared = Prepared(
            request, known, {"judge": "made"}, {}, second=Prepared(other, known, {}, {})
        )
    return init(spec, QUERY, prepared, planning_threshold=0.5)


def answered(wanted: StageRequest, cuts: tuple[int, ...] = ()) -> StageResult:
    """Returns the rows that a query waits for, the last first, cut at these rows."""
    stage = wanted.stage
    ends = [stage.start, *(cut for cut in cuts if stage.start < cut < stage.stop), stage.stop]
    shards = [made_shard(stage, range(start, stop)) for start, stop in pairwise(ends)]
    return StageResult(shards[::-1], ("the likeliest",) if wanted.arm == "greedy" else ())


def driven(
    state: QueryState, cuts: tuple[int, ...] = ()
) -> tuple[QueryState, list[tuple[str, int, int]]]:
    """Returns the last state, and the rows asked for on the way."""
    asked = []
    while (wanted := next_rows(state)) is not None:
        assert wanted.request.query == QUERY.text
        asked.append((wanted.arm, wanted.stage.start, wanted.stage.stop))
        state = update(state, answered(wanted, cuts))
    return state, asked


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"method": "mc", "samples": 300}, [("greedy", 0, 1), ("mc", 0, 300)]),
        (
            {"method": "mc", "samples": 300, "monte_carlo_samples": 100},
            [("greedy", 0, 1), ("weighted", 0, 300), ("mc", 0, 100)],
        ),
        (
            {"method": "is", "samples": 600},
            [("greedy", 0, 1), ("second", 0, 120), ("weighted", 0, 600)],
        ),
        (
            {"method": "is", "samples": 600, "precision": 0.01},
            [
                ("greedy", 0, 1),
                ("second", 0, 120),
                ("weighted", 0, 250),
                ("weighted", 250, 500),
                ("weighted", 500, 600),
            ],
        ),
        (
            {"method": "mis", "samples": 1_100, "precision": 0.01, "monte_carlo_samples": 50},
            [
                ("greedy", 0, 1),
                ("weighted", 0, 250),
                ("weighted", 250, 500),
                ("weighted", 500, 1_000),
                ("weighted", 1_000, 1_100),
                ("mc", 0, 50),
            ],
        ),
    ],
    ids=["mc", "mc and a count", "is", "is looked at", "mis looked at"],
)
def test_rows_are_asked_for_arm_by_arm(
    settings: dict[str, object], asked: list[tuple[str, int, int]]
) -> None:
    state, seen = driven(begun(small_spec(**settings), second=settings["method"] == "is"))
    assert seen == asked
    assert state.row.greedy is not None
    assert state.row.greedy.text == "the likeliest"
    assert state.row.estimate is not None
    assert state.row.stopped == "budget"
    assert (state.row.monte_carlo is None) == ("mc" not in dict.fromkeys(arm for arm, *_ in asked))


def test_a_precision_ends_the_weighted_arm_and_no_other() -> None:
    spec = small_spec(method="mis", samples=4_000, precision=0.3, monte_carlo_samples=50)
    state, asked = driven(begun(spec))
    assert state.row.stopped == "precision"
    assert asked[-1] == ("mc", 0, 50)
    assert asked[-2][2] < 4_000
    assert state.row.estimate is not None
    assert state.row.estimate.samples == asked[-2][2]


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(1, 599), max_size=6))
def test_how_shards_are_cut_changes_nothing(cuts: set[int]) -> None:
    spec = small_spec(method="mis", samples=600, monte_carlo_samples=100)
    whole, asked = driven(begun(spec))
    cut, same = driven(begun(spec), tuple(sorted(cuts)))
    assert same == asked
    for one, other in (
        (whole.row.estimate, cut.row.estimate),
        (whole.row.monte_carlo, cut.row.monte_carlo),
    ):
        assert one is not None
        assert other is not None
        assert one.to_dict() == other.to_dict()


def test_a_state_is_a_value() -> None:
    spec = small_spec(method="mis", samples=600)
    first, second = begun(spec), begun(spec)
    wanted = next_rows(first)
    assert wanted is not None
    assert (first, repr(first)) == (second, repr(second))
    assert update(first, answered(wanted)) == update(second, answered(wanted))
    assert first == second


@pytest.mark.parametrize(
    ("low", "high", "verdict", "narrow"),
    [
        (0.8, 1.3, "trust", True),
        (0.7, 1.3, "caution", True),
        # As narrow as 0.7 to 1.3 in all, and 40% above.
        (0.9, 1.4, "trust", False),
        (0.6, 1.1, "trust", False),
        (0.8, 1.2, "do not use", False),
    ],
)
def test_both_ends_must_be_as_near_as_asked(
    low: float, high: float, verdict: Verdict, narrow: bool
) -> None:
    draws = collect_draws([made_shard(Stage(PLAN, 0, 20, 0), range(20))], 0.5)
    found = replace(
        estimate(draws, method="mis"),
        hits=20, estimate=0.1, ci_low=0.1 * low, ci_high=0.1 * high, verdict=verdict,
    )  # fmt: skip
    assert is_narrow(found, 0.3 + 1e-9) == narrow


def test_no_hit_is_never_narrow() -> None:
    draws = collect_draws([made_shard(Stage(PLAN, 0, 20, 0), range(20))], 0.5)
    found = replace(estimate(draws, method="mis"), hits=0, estimate=0.0, ci_low=0.0, ci_high=1e-9)
    assert not is_narrow(found, 10.0)
