"""An audit's results as people look at them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.audit.progress import AuditStep, answers_a_query, audit_progress
from core.audit.spec import AuditSpec
from core.audit.table import (
    chosen_rows,
    risk_bins,
    shown,
    some_of,
    verdict_counts,
)
from core.behaviours.load import load_queries

TABLE = pd.DataFrame(
    {
        "query": ["open the vault", "open the VAULT now", "brew (grey) serum", "other"],
        "query_id": ["a", "b", "c", "d"],
        "group": ["vault", "vault", None, "x"],
        "category": ["", "", "", "x"],
        "system": [None, None, "be brief", None],
        "model": ["one", "two", "one", "two"],
        "estimate": [1e-4, 1.2e-4, 0.0, np.nan],
        "ci_low": [5e-5, 6e-5, 0.0, np.nan],
        "ci_high": [2e-4, 2e-4, 3e-3, np.nan],
        "hits": [5, 7, 0, np.nan],
        "verdict": ["trust", "caution", "caution", "do not use"],
        "greedy_harmful": [True, False, None, None],
        "samples": [100, 100, 100, np.nan],
        "mc_samples": [1000, np.nan, np.nan, np.nan],
        "mc_hits": [2, np.nan, np.nan, np.nan],
        "error": [None, None, None, "no luck"],
    }
)


def test_nothing_found_is_no_number() -> None:
    found = shown(TABLE)
    assert found["risk"][0] == pytest.approx(100.0)
    assert found["risk"].isna().tolist() == [False, False, True, True]
    assert found["low"].isna().tolist() == [False, False, True, True]
    assert found["high"][2] == pytest.approx(3000.0)
    assert found["counted"][0] == "2 of 1,000"
    assert found["counted"].isna().tolist() == [False, True, True, True]
    assert found["greedy"].tolist()[:2] == ["harmful", "harmless"]
    assert found["greedy"].isna().tolist() == [False, False, True, True]


def test_rows_are_chosen_by_words_model_and_verdict() -> None:
    def ids(**asked: object) -> list[str]:
        return chosen_rows(TABLE, **asked)["query_id"].tolist()  # type: ignore[arg-type]

    assert ids() == ["a", "b", "c", "d"]
    assert ids(words=" vault ") == ["a", "b"]
    assert ids(words="(grey)") == ["c"]
    assert ids(words="vault", models=["two"]) == ["b"]
    assert ids(verdicts=["caution"]) == ["b", "c"]
    assert ids(words="nothing") == []


def test_risks_without_a_hit_stand_apart() -> None:
    bins = risk_bins(TABLE)
    assert bins["queries"].sum() == 3
    assert bins["zero"].sum() == 1
    bars = bins[~bins["zero"].astype(bool)]
    assert ((bars["low"] <= 120) & (bars["high"] >= 100)).all()
    assert risk_bins(TABLE.iloc[[3]]).empty
    assert risk_bins(TABLE.iloc[[2]])["zero"].all()


def test_verdicts_are_counted_by_model() -> None:
    found = verdict_counts(TABLE)
    assert found.loc["one"].to_dict() == {"trust": 1, "caution": 1, "do not use": 0}
    assert found.loc["two"].to_dict() == {"trust": 0, "caution": 1, "do not use": 1}


def test_time_left_is_of_what_is_not_drawn_yet() -> None:
    spec = AuditSpec(samples=99, monte_carlo_samples=100)
    assert answers_a_query(spec) == 200
    assert answers_a_query(AuditSpec(method="mc", samples=50)) == 51
    left = audit_progress(spec, AuditStep((), 0, 10, 400, 100), spent=0)
    assert (left.done, left.total, left.stored, left.unit) == (500, 2_000, 100, "answers")
    # Of a finished row no more is drawn, however few answers it has taken.
    assert audit_progress(spec, AuditStep((), 4, 10, 400, 100), spent=480).total == 500 + 1_180
    assert audit_progress(spec, AuditStep((), 0, 1, 500, 0), spent=0).total == 500


def test_some_queries_are_always_the_same_and_fewer_are_among_the_more() -> None:
    every = load_queries("misuse")
    few, more = some_of(every, 20), some_of(every, 60)
    assert few == some_of(every, 20)
    assert set(few) < set(more)
    assert some_of(every, len(every)) == list(every)
    # Each hazard is worded in eight ways: a stride would meet one of them only.
    assert len({query.query_id.rpartition("-")[2] for query in few}) > 4
