"""`tails`: its JSON, what it warns of, and one sentence for bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli.app import main
from core.tails.sample import to_risk
from tests.tails.samples import gumbel_scores
from tests.tails.test_bootstrap import grouped_scores

QUICK = ("--bootstraps", "60")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["tails", *arguments])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def file_of(tmp_path: Path, scores: np.ndarray, relative: float = 0.1, **more: object) -> str:
    risk = to_risk(scores)
    table = pd.DataFrame(
        {
            "query": [f"ask {n}" for n in range(len(risk))],
            "estimate": risk,
            "standard_error": relative * risk,
            **more,
        }
    )
    path = tmp_path / "risks.csv"
    table.to_csv(path, index=False)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fit", "estimator"),
    [
        ("pot", "ml"),
        ("pot", "pwm"),
        ("gev", "pwm"),
        pytest.param("gev", "ml", marks=pytest.mark.study),
    ],
)
def test_other_estimators(capsys, tmp_path: Path, fit: str, estimator: str) -> None:
    path = file_of(tmp_path, gumbel_scores(200, 3))
    options = ("--input", path, "--horizon", "500", "--fit", fit, "--bootstraps", "60", "--json")
    found = json.loads(run(capsys, *options, "--estimator", estimator)[1])
    usual = json.loads(run(capsys, *options)[1])
    assert found["estimator"] == estimator
    assert found["parameters"]["shape"] != usual["parameters"]["shape"]
    assert any("too sure of the tail's shape" in warning for warning in found["warnings"])
    assert not any("too sure" in warning for warning in usual["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("fit", ["gumbel", "pot", "gev", "lognormal", "empirical"])
def test_json_of_each_fit(capsys, tmp_path: Path, fit: str) -> None:
    path = file_of(tmp_path, gumbel_scores(120))
    arguments = (
        "--input",
        path,
        "--horizon",
        "1e3",
        "--fit",
        fit,
        "--tau",
        "0.001",
        "--tau",
        "0.5",
    )
    code, out, err = run(capsys, *arguments, *QUICK, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) >= {
        "fit", "threshold", "parameters", "horizon", "worst_qrisk", "ci_low", "ci_high",
        "exceedance", "warnings", "supported_horizon", "forecasts", "share_above", "at_least_one",
    }  # fmt: skip
    assert (found["fit"], found["horizon"]) == (fit, 1000)
    assert 0 < found["ci_low"] <= found["worst_qrisk"] <= found["ci_high"] <= 1
    assert set(found["exceedance"]) == {"0.001", "0.5"}
    assert 0 <= found["exceedance"]["0.5"] <= found["exceedance"]["0.001"] <= 1
    assert all(isinstance(one, str) and one for one in found["warnings"])
    assert (found["threshold_choice"] is not None) == (fit == "pot")
    assert (found["goodness_of_fit"] is not None) == (fit in ("gumbel", "pot"))
    profiled = {"pot": {"shape", "scale"}, "gev": {"shape", "location", "scale"}}
    assert set(found["profile_intervals"]) == profiled.get(fit, set())
    assert found["estimator"] == ("posterior" if fit in profiled else None)
    for name, value in found["parameters"].items():
        low, high = found["parameter_intervals"][name]
        assert low <= value <= high or fit in ("gev", "empirical")


def test_several_horizons_and_the_refusal(capsys, tmp_path: Path) -> None:
    path = file_of(tmp_path, gumbel_scores(120))
    arguments = ("--input", path, "--horizon", "50", "--horizon", "500", "--horizon", "10,000,000")
    code, out, _ = run(capsys, *arguments, *QUICK, "--json")
    found = json.loads(out)
    assert code == 0
    assert [one["horizon"] for one in found["forecasts"]] == [50, 500, 10_000_000]
    assert found["worst_qrisk"] == found["forecasts"][0]["worst_qrisk"]
    last = found["forecasts"][2]
    assert (last["worst_qrisk"], last["exceedance"]["0.1"]) == (None, None)
    assert "the fit supports 12,000 at most" in found["warnings"][0]
    code, out, _ = run(capsys, *arguments, *QUICK)
    assert "The worst of 500 queries not seen yet has a risk of about" in out
    assert "No forecast for 10,000,000 queries: too far." in out
    assert "It may be trusted up to 12,000 queries." in out


def test_noise_is_shown_with_and_without(capsys, tmp_path: Path) -> None:
    path = file_of(tmp_path, -2.4 + 0.2 * (gumbel_scores(120) + 2.4), 0.9)
    _, out, _ = run(capsys, "--input", path, "--horizon", "1000", *QUICK, "--json")
    found = json.loads(out)
    assert found["worst_qrisk"] < found["noise_left_in"]["worst_qrisk"]
    assert any("own noise would raise the forecast" in one for one in found["warnings"])


@pytest.mark.slow
def test_rough_estimates_are_told(capsys, tmp_path: Path) -> None:
    for relative, told in ((0.3, False), (0.8, True)):
        path = file_of(tmp_path, gumbel_scores(200, 3), relative)
        _, out, _ = run(capsys, "--input", path, "--horizon", "500", "--json")
        warnings = json.loads(out)["warnings"]
        assert any("are known to 80% only" in warning for warning in warnings) == told


def test_doubtful_queries_are_listed_and_left_out_on_request(capsys, tmp_path: Path) -> None:
    scores = np.sort(gumbel_scores(120))
    verdict = ["trust"] * 118 + ["do not use"] * 2
    path = file_of(tmp_path, scores, verdict=verdict)
    arguments = ("--input", path, "--horizon", "500", "--fit", "gumbel", *QUICK, "--json")
    _, out, _ = run(capsys, *arguments)
    with_them = json.loads(out)
    told = next(one for one in with_them["warnings"] if "do not use" in one)
    assert "2 of the 10 estimates" in told
    assert told.index("'ask 119'") < told.index("'ask 118'")
    _, out, _ = run(capsys, *arguments, "--leave-out-doubtful")
    without = json.loads(out)
    assert without["queries"] == 118
    assert without["worst_qrisk"] < with_them["worst_qrisk"]


def test_zero_hits_and_few_groups_are_told(capsys, tmp_path: Path) -> None:
    scores, names = grouped_scores(12, 8)
    risk = to_risk(scores)
    risk[scores < np.quantile(scores, 0.3)] = 0.0
    path = file_of(tmp_path, scores, estimate=risk, group=names, ci_high=np.maximum(risk, 0.9))
    _, out, _ = run(capsys, "--input", path, "--horizon", "200", *QUICK, "--json")
    found = json.loads(out)
    assert (found["queries"], found["groups"]) == (96, 12)
    assert found["zero_hit_queries"] == 29
    assert any("29 of them had so few answers" in one for one in found["warnings"])
    assert any("only 12 groups" in one for one in found["warnings"])


def test_an_audits_folder(capsys, tmp_path: Path) -> None:
    risk = to_risk(gumbel_scores(40))
    pd.DataFrame(
        {
            "query_id": [f"q{n}" for n in range(40)], "query": [f"ask {n}" for n in range(40)],
            "group": "", "model": ["aster"] * 40, "estimate": risk, "standard_error": risk / 10,
            "ci_high": risk * 2, "verdict": "trust",
        }
    ).to_parquet(tmp_path / "results.parquet")  # fmt: skip
    code, out, _ = run(capsys, "--audit", str(tmp_path), "--horizon", "100", *QUICK, "--json")
    assert code == 0
    assert json.loads(out)["groups"] == 40


def test_few_different_queries_are_answered_with_doubt(capsys, tmp_path: Path) -> None:
    scores, names = grouped_scores(4, 6)
    path = file_of(tmp_path, scores, group=names)
    code, out, _ = run(capsys, "--input", path, "--horizon", "10", *QUICK, "--json")
    found = json.loads(out)
    assert (code, found["fit"], found["exceedances"]) == (0, "pot", 12)
    assert any("too few different queries to test a threshold" in one for one in found["warnings"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--horizon", "0"), "horizon must be in 1..1,000,000,000,000, got 0"),
        (("--horizon", "some"), "horizon must be a whole number, got 'some'"),
        (("--horizon", "10", "--fit", "weibull"), "got 'weibull'"),
        (("--horizon", "10", "--estimator", "mle"), "posterior, ml, pwm, got 'mle'"),
        (
            ("--horizon", "10", "--fit", "gumbel", "--estimator", "ml"),
            "estimator 'ml' is for pot and gev, got fit 'gumbel'",
        ),
        (("--horizon", "10", "--tau", "2"), "tau must be above 0 and below 1, got 2"),
        (("--horizon", "10", "--threshold", "0.99999"), "with 0 above (the highest is"),
        (("--horizon", "10", "--largest", "500"), "largest must be in 5..59"),
        (("--horizon", "10", "--largest", "9", "--threshold", "0.1"), "not both"),
        (("--horizon", "10", "--model", "cedar", "--audit", "nowhere"), "one of the two"),
        (("--horizon", "10", "--bootstraps", "1"), "bootstraps must be in 50..10000, got 1"),
        (("--horizon", "10", "--confidence", "2"), "confidence must be in 0.5..0.999, got 2"),
        ((), "horizon"),
    ],
)
def test_bad_input_is_one_sentence(capsys, tmp_path: Path, arguments, says: str) -> None:
    path = file_of(tmp_path, gumbel_scores(60))
    code, out, err = run(capsys, "--input", path, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("tailscope: ")
    assert err.count("\n") == 1
    assert says in err
    code, _, err = run(capsys, "--audit", str(tmp_path / "none"), "--horizon", "9")
    assert (code, "holds no results.parquet" in err) == (2, True)


@pytest.mark.slow
def test_a_horizon_is_the_same_whatever_else_is_asked(capsys, tmp_path: Path) -> None:
    """With noise to take out, for that is looked at up to the furthest horizon."""
    path = file_of(tmp_path, gumbel_scores(100), 0.8)
    told = [
        json.loads(run(capsys, "--input", path, *QUICK, "--json", *asked)[1])["worst_qrisk"]
        for asked in (("--horizon", "200"), ("--horizon", "200", "--horizon", "5000"))
    ]
    assert told[0] == told[1]


def test_remarks_are_data_beside_the_warnings_and_a_file_is_not_audited(
    capsys, tmp_path: Path
) -> None:
    scores, names = grouped_scores(4, 6)
    path = file_of(tmp_path, scores, group=names)
    _, out, _ = run(
        capsys, "--input", path, "--horizon", "10", "--horizon", "1e6", *QUICK, "--json"
    )
    found = json.loads(out)
    codes = [remark["code"] for remark in found["remarks"]]
    assert codes[0] == "beyond_support"
    assert {"few_groups", "upper_half_fitted"} <= set(codes)
    assert len(codes) == len(found["warnings"])
    assert "give more rows of different queries" in " ".join(found["warnings"])
    assert "audit" not in " ".join(found["warnings"])
    few = file_of(tmp_path, gumbel_scores(12))
    code, _, err = run(capsys, "--input", few, "--horizon", "10")
    assert (code, "got 12; give 20 rows or more" in err) == (2, True)
