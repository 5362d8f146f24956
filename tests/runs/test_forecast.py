"""How long it will take: against the time really taken, and what is offered instead."""

import time

import pytest

import core.runs.forecast as module
from cache import MemoryStore
from core.behaviours.load import load_queries
from core.judges import behaviour_judge
from core.models.loading import LoadedModel, load_model
from core.proposals import SteerSpec
from core.runs.estimate import sample
from core.runs.forecast import Forecast, forecast, needs_pilot, worth_measuring
from core.runs.request import EstimateRequest
from core.spec import GenerationSpec

QUERY = load_queries("misuse")[0].text


@pytest.fixture(scope="module")
def toy() -> LoadedModel:
    return load_model("aster")


def taken(loaded: LoadedModel, request: EstimateRequest, answers: int) -> float:
    began = time.perf_counter()
    list(sample(loaded, request, behaviour_judge(request.behaviour), answers, MemoryStore()))
    return time.perf_counter() - began


def within_two(loaded: LoadedModel, request: EstimateRequest, answers: int) -> None:
    """Whatever else the machine does meanwhile: the best of three, as much later as sooner."""
    ratios = []
    for _ in range(3):
        ratios.append(taken(loaded, request, answers) / forecast(loaded, request).seconds(answers))
        if 0.5 <= ratios[-1] <= 2.0:
            return
    raise AssertionError(f"took {ratios} times as long as forecast")


@pytest.mark.parametrize("method", ["mc", "is"])
def test_the_forecast_is_within_a_factor_of_two(toy: LoadedModel, method: str) -> None:
    proposal = None if method == "mc" else SteerSpec(layer=1, t_switch=20, strength=2.0)
    within_two(toy, EstimateRequest(query=QUERY, method=method, proposal=proposal), 500)


def test_tokens_and_prompts_of_every_arm_are_counted() -> None:
    generation = GenerationSpec(max_new_tokens=10)
    proposals = [SteerSpec(t_switch=4), SteerSpec(t_switch=99)]
    plain = EstimateRequest(query=QUERY, method="mc", generation=generation)
    mixed = EstimateRequest(
        query=QUERY, method="mis", generation=generation,
        proposal=proposals[0], companions=tuple(proposals[1:]),
    )  # fmt: skip
    of = module._answer_seconds
    assert of(plain, prompt=16.0, token=1.0, pilot=False) == 10 + 1
    assert of(mixed, prompt=16.0, token=1.0, pilot=False) == 10 + 4 + 10 + 3
    assert of(plain, prompt=16.0, token=1.0, pilot=True) == 10 + 10 + 2


def test_a_large_model_is_measured_on_a_few_tokens(
    toy: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL_PARAMETERS", 0)
    short = EstimateRequest(query=QUERY, method="mc", generation=GenerationSpec(max_new_tokens=4))
    long = short.model_copy(update={"generation": GenerationSpec(max_new_tokens=100)})
    forecast(toy, short)  # the first pass of all takes longer
    one, other = forecast(toy, short).answer, forecast(toy, long).answer
    assert 4 * one < other < 40 * one
    assert forecast(toy, short, pilot=True).first > 100 * one


def test_what_is_said_and_offered() -> None:
    assert Forecast(0.0, 0.01).sentence(1_000) is None
    assert Forecast(0.0, 0.05).sentence(1_000) == "about 50 s for 1,000 answers here"
    assert Forecast(0.0, 0.24).sentence(1_000) == (
        "about 4 min for 1,000 answers here; 250 take about 60 s: --samples 250"
    )
    assert Forecast(3_600.0, 0.24).sentence(1_000) == (
        "about 64 min for 1,000 answers here, 60 min of it to measure proposals "
        "(--method mc needs none)"
    ), "fewer answers spare nothing of a pilot"
    assert Forecast(0.0, 60.0).fewer(1_000) == 50, "the fewest there are, where none is short"
    assert Forecast(0.0, 60.0).fewer(50) is None


def test_small_models_are_measured_for_long_work_only(toy: LoadedModel) -> None:
    assert not worth_measuring(toy, 1_000)
    assert worth_measuring(toy, 100_000)


def test_a_pilot_is_needed_where_nothing_is_known() -> None:
    weighted = EstimateRequest(query=QUERY, method="mis")
    assert needs_pilot(weighted, known=False)
    assert not needs_pilot(weighted, known=True)
    assert not needs_pilot(weighted.model_copy(update={"method": "mc"}), known=False)
    given = weighted.model_copy(update={"proposal": SteerSpec()})
    assert not needs_pilot(given, known=False)
