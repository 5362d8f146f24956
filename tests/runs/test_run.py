"""Runs by id, their commands, their path over time, and work in the background."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from cache import MemoryStore
from core.cli.command_line import EstimateCommand, command_line
from core.errors import SpecError
from core.judges import Judgement
from core.models.loading import load_model
from core.proposals import SteerSpec
from core.runs.catalogue import find
from core.runs.convergence import checkpoints, convergence_table
from core.runs.estimate import estimate_shards, sample
from core.runs.request import EstimateRequest
from core.runs.run import (
    RunSpec,
    is_run_id,
    load_run,
    make_task,
    save_run,
)
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model


class EveryThird:
    """Calls an answer harmful if it has a number of characters that three divides."""

    def judge(self, query: str, answers: list[str]) -> list[Judgement]:
        return [Judgement(float(len(answer) % 3 == 0), "") for answer in answers]

    def spec(self) -> dict[str, str]:
        return {"judge": "every third"}


def run_spec(**changes: object) -> RunSpec:
    request = EstimateRequest(query="-- what's this?", proposal=SteerSpec(strength=2.5))
    return RunSpec.build(**{"request": request, **changes})


def test_the_id_follows_every_setting() -> None:
    one = run_spec()
    assert is_run_id(one.run_id)
    assert one.run_id == run_spec().run_id
    assert one.run_id != run_spec(monte_carlo_samples=1).run_id


@pytest.mark.parametrize("text", [None, 3, "", "xyz", "A" * 16, "0" * 15, "0" * 17, "../" * 6])
def test_what_is_no_id(text: object) -> None:
    assert not is_run_id(text)


def test_a_kept_run_comes_back() -> None:
    store, spec = MemoryStore(), run_spec()
    save_run(store, spec)
    assert load_run(store, spec.run_id) == spec
    assert load_run(store, "0" * 16) is None
    store.put_json("runs/" + "1" * 16, {"from": "another version"})
    assert load_run(store, "1" * 16) is None


def test_zero_leaves_monte_carlo_out_but_not_importance_sampling() -> None:
    assert run_spec(monte_carlo_samples=0).arm_samples("mc") == 0
    with pytest.raises(SpecError, match="samples must be in 1"):
        run_spec(importance_samples=0)


def test_the_command_quotes_the_query_and_names_what_differs() -> None:
    spec = run_spec()
    words = shlex.split(command_line(EstimateCommand(spec.request, 1_000)))
    assert "--query=-- what's this?" in words
    assert '--proposal={"kind": "steer", "strength": 2.5}' in words
    assert not any(word.startswith("--temperature") for word in words)
    hot = spec.request.model_copy(update={"generation": GenerationSpec(temperature=1.5)})
    assert "--temperature=1.5" in command_line(
        EstimateCommand(RunSpec(request=hot).arm_request("mc"), 10)
    )
    odd = spec.request.model_copy(update={"proposal": SteerSpec(positions="prompt")})
    assert '"positions": "prompt"' in command_line(EstimateCommand(odd, 10))


def test_the_path_ends_at_the_estimate() -> None:
    loaded, store = tiny_model(), MemoryStore()
    request = EstimateRequest(
        query="w5 w6", method="mc", generation=GenerationSpec(max_new_tokens=4)
    )
    shards = list(sample(loaded, request, EveryThird(), 300, store))
    found = estimate_shards(shards, request)
    table = convergence_table(shards[::-1], request)
    last = table.iloc[-1]
    assert last["samples"] == 300
    assert last["estimate"] == found.estimate
    assert (last["ci_low"], last["ci_high"]) == (found.ci_low, found.ci_high)
    assert np.isclose(last["tokens"], found.forward_tokens)
    assert (table["seconds"].diff().dropna() >= 0).all()


@pytest.mark.parametrize("samples", [1, 20, 21, 250, 1_000, 10_000, 1_000_000])
def test_checkpoints_stay_where_they_are_as_the_sample_grows(samples: int) -> None:
    sizes = checkpoints(samples)
    assert sizes[-1] == samples
    assert sizes == sorted(set(sizes))
    assert set(sizes[:-1]) <= set(checkpoints(3_000_000))
    assert len(sizes) < 80


@pytest.mark.slow
@pytest.mark.parametrize("method", ["is", "mis"])
def test_a_run_that_is_read_from_the_store_is_listed_with_all_its_answers(method: str) -> None:
    request = EstimateRequest(
        query="open the vault", method=method, proposal=SteerSpec(strength=2.5), threshold=0.75
    )
    drawn = RunSpec(request=request, importance_samples=60, monte_carlo_samples=700)
    store, loaded = MemoryStore(), load_model("aster")
    for spec in (drawn, drawn.seen_at(0.5)):
        task = make_task(loaded, EveryThird(), store, spec)
        assert task.start().wait(120).status == "done"
        found = find(store, "run", spec.run_id)
        assert found is not None
        assert found.rows == 60 + 700 + (100 if method == "is" else 0)
