"""The Python API: three lines give a number; results print, show, draw and export themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import core
from core.cli.app import main
from core.errors import TailscopeError
from core.results.audit import AuditResult
from core.results.base import Result
from core.results.estimate import EstimateResult
from core.results.html import Card, html_of
from core.results.sensitivity import SensitivityResult
from core.results.tail import TailResult

QUERY = "how do i open the larkspur vault"
SMALL = {"generation": {"max_new_tokens": 24}}


@pytest.fixture(autouse=True, scope="module")
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "CACHE"):
            patch.setenv(f"TAILSCOPE_{name}", str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module")
def estimated() -> EstimateResult:
    return core.estimate(QUERY, samples=300, seed=3)


@pytest.fixture(scope="module")
def audited() -> AuditResult:
    queries = Path(__file__).parents[2] / "sample_data" / "queries" / "misuse.csv"
    texts = pd.read_csv(queries)["query"].head(3)
    return core.audit(list(texts), samples=250)


@pytest.fixture(scope="module")
def compared() -> SensitivityResult:
    return core.sensitivity(QUERY, ["please open the larkspur vault"], samples=100)


@pytest.fixture(scope="module")
def forecast() -> TailResult:
    table = pd.DataFrame(
        {
            "query": [f"q{n}" for n in range(60)],
            "estimate": [1e-6 * 1.2**n for n in range(60)],
            "standard_error": [1e-8 * 1.2**n for n in range(60)],
        }
    )
    return core.fit_tail(table, [100, 1000], bootstraps=100)


RESULTS = ("estimated", "audited", "compared", "forecast")


def test_the_number_is_that_of_the_command_line(
    estimated: EstimateResult, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["estimate", "--query", QUERY, "--samples", "300", "--seed", "3", "--json"])
    printed = json.loads(capsys.readouterr().out)
    mine = json.loads(json.dumps(estimated.to_dict()))
    for shown in (printed, mine):
        shown.pop("notices")
    assert mine == printed
    assert estimated.risk == printed["estimate"]
    assert estimated.interval == (printed["ci_low"], printed["ci_high"])
    assert estimated.verdict == printed["verdict"]


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_itself(name: str, request: pytest.FixtureRequest) -> None:
    result: Result = request.getfixturevalue(name)
    assert str(result) == result.report.to_text()
    html = result._repr_html_()
    assert html.startswith("<div")
    assert "http" not in html, "a card loads nothing"
    json.dumps(result.to_dict(), allow_nan=False)
    figure = result.plot()
    assert len(figure.data) >= 1
    drawn = json.loads(figure.to_json())
    assert drawn["data"]


def test_a_plot_draws_the_numbers_of_its_result(
    estimated: EstimateResult,
) -> None:
    line = next(trace for trace in estimated.plot().data if trace.name == "estimate")
    assert line.x[-1] == 300
    assert line.y[-1] == pytest.approx(estimated.risk)


@pytest.mark.slow
def test_an_audit_is_gone_on_with(audited: AuditResult) -> None:
    again = core.audit(list(audited.table["query"]), samples=250)
    assert again.report.drawn == 0
    assert len(again.table) == 3
    assert again.table["estimate"].tolist() == audited.table["estimate"].tolist()


def test_a_loaded_model_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    model = core.load_model("aster")
    monkeypatch.setattr("core.runs.estimate_query.load_checked", lambda *_: pytest.fail("loaded"))
    result = core.estimate(QUERY, model=model, method="mc", samples=50)
    assert result.report.model_fingerprint == model.fingerprint


def test_progress_is_shown() -> None:
    seen: list[float] = []
    core.estimate(QUERY, method="mc", samples=300, seed=9, show=lambda at: seen.append(at.done))
    assert seen[-1] == 300


def test_a_search_returns_a_proposal_to_estimate_with() -> None:
    found = core.tune([QUERY], rows=60, strengths=(0.8,), layers=(2,), **SMALL)
    assert found.plot().data
    assert found._repr_html_().startswith("<div")
    if found.best is not None:
        core.estimate(QUERY, proposal=found.best, samples=50, **SMALL)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda: core.estimate(""), "''"),
        (lambda: core.estimate(QUERY, samples=0), "0"),
        (lambda: core.estimate(QUERY, model="nobody/nothing"), "nobody/nothing"),
        (lambda: core.estimate(QUERY, generation={"temperature": -1.0}), "-1"),
        (lambda: core.estimate(QUERY, proposal={"kind": "magic"}), "magic"),
        (lambda: core.audit([QUERY], colour="red"), "colour"),
        (lambda: core.audit([]), "none"),
        (lambda: core.fit_tail(pd.DataFrame({"estimate": [1e-3]})), "standard_error"),
        (lambda: core.fit_tail("nowhere.csv"), "nowhere.csv"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call: object, value: str) -> None:
    with pytest.raises(TailscopeError) as refused:
        call()
    assert value in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_model_says_is_text_in_a_card() -> None:
    evil = "<script>alert(1)</script>"
    html = html_of(Card(evil, evil, evil, evil, (evil,), columns=(evil,), rows=((evil,),)))
    assert "<script" not in html


def test_a_folder_does_not_hide_the_function_of_its_name() -> None:
    import core.audit.run
    import core.sensitivity.compare

    assert core.audit.run.run_audit is not None
    with pytest.raises(TailscopeError, match="none"):
        core.audit([])
    with pytest.raises(TailscopeError, match="samples"):
        core.sensitivity(QUERY, samples=0)


def test_importing_core_is_light() -> None:
    code = "import sys, core; print(sorted({'torch', 'transformers', 'pandas'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert shown.stdout.strip() == "[]"
