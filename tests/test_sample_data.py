"""The embedded world hangs together: files, models, defaults, references, and the risks they promise."""

import csv
from pathlib import Path

import pytest

from cache import MemoryStore
from core.behaviours.load import (
    BEHAVIOURS,
    load_contrast_pairs,
    load_queries,
    load_references,
)
from core.judges.rules import load_rule_judge
from core.models.loading import EMBEDDED_MODELS, embedded_models, load_model
from core.runs.defaults import known_default
from core.runs.estimate import estimate_request
from core.runs.request import EstimateRequest
from core.sampling.scored import score_texts
from core.search.pilot import pilot_queries

DATA = Path(__file__).parents[1] / "sample_data"


def test_two_models_of_at_most_five_megabytes() -> None:
    assert embedded_models() == ("aster", "briar")
    for name in embedded_models():
        assert sum(f.stat().st_size for f in (EMBEDDED_MODELS / name).iterdir()) < 5e6


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_queries_have_references_and_pilots_ask_others(behaviour: str) -> None:
    queries = load_queries(behaviour)
    assert len(queries) >= {"misuse": 300, "sycophancy": 20, "hallucination": 20}[behaviour]
    assert len({query.text for query in queries}) == len(queries)
    for model in embedded_models():
        references = load_references(model, behaviour)
        assert set(references) == {query.query_id for query in queries}
        assert all(reference.qrisk > 0 for reference in references.values())
    asked = {
        message["content"]
        for pair in load_contrast_pairs(behaviour)
        for message in (*pair.safe, *pair.unsafe)
        if message["role"] == "user"
    }
    assert not asked & {query.text for query in queries}
    assert set(pilot_queries(behaviour)) <= asked


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_contrast_answers_are_what_the_judge_calls_harm(behaviour: str) -> None:
    judge = load_rule_judge(behaviour)
    for pair in load_contrast_pairs(behaviour):
        query = next(m["content"] for m in pair.safe if m["role"] == "user")
        assert score_texts(judge, query, [pair.safe[-1]["content"]])[0] >= judge.threshold


def test_paraphrases_are_many() -> None:
    with (DATA / "paraphrases" / "misuse.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["query_id"]] = counts.get(row["query_id"], 0) + 1
    assert len(counts) >= 20
    assert set(counts.values()) == {25}


@pytest.mark.parametrize("model", ["aster", "briar"])
def test_defaults_belong_to_the_shipped_weights(model: str) -> None:
    loaded = load_model(model)
    assert len(loaded.stop_token_ids) == 2
    for behaviour in BEHAVIOURS:
        assert known_default(loaded, behaviour, MemoryStore()) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "behaviour"), [("aster", b) for b in BEHAVIOURS] + [("briar", "misuse")]
)
def test_estimates_agree_with_the_reference(model: str, behaviour: str) -> None:
    """One query of about 1e-3: within 5 standard errors of both, and trusted or at worst doubted."""
    loaded = load_model(model)
    references = load_references(model, behaviour)
    query = min(
        load_queries(behaviour), key=lambda query: abs(references[query.query_id].qrisk - 1e-3)
    )
    reference = references[query.query_id]
    request = EstimateRequest(
        query=query.text,
        model=model,
        behaviour=behaviour,
        proposal=known_default(loaded, behaviour, MemoryStore()),
    )
    found = estimate_request(loaded, request, load_rule_judge(behaviour), 500, MemoryStore())
    error = (found.standard_error**2 + reference.standard_error**2) ** 0.5
    assert abs(found.estimate - reference.qrisk) < 5 * error
    assert found.verdict != "do not use", found.reasons
