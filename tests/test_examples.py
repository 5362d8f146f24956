"""The examples in the docstrings of `core` run, and come out as written."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMPT = re.compile(r"^ *>>> ", re.MULTILINE)
# These load the embedded model and draw from it.
SLOW = ("core",)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def prompts(path: Path) -> int:
    """Returns how many examples a file holds."""
    return len(PROMPT.findall(path.read_text("utf-8")))


EXAMPLES = {
    module_name(path): count
    for path in sorted((ROOT / "core").rglob("*.py"))
    if (count := prompts(path))
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in EXAMPLES],
)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    module = import_module(name)
    # A folder may have taken the place of its function (`core.FUNCTIONS`), whose examples count all the same.
    monkeypatch.setattr(module, "__test__", getattr(module, "FUNCTIONS", {}), raising=False)
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted == EXAMPLES[name]


def test_an_example_that_comes_out_otherwise_is_found() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda _: None).failed == 1


@pytest.mark.parametrize(
    "name",
    [
        "core",
        "core.estimation.confidence_sequence",
        "core.estimation.control_variates",
        "core.estimation.diagnostics",
        "core.estimation.draws",
        "core.estimation.estimate",
        "core.estimation.intervals",
        "core.estimation.optimal_allocation",
        "core.estimation.pareto",
        "core.estimation.point",
        "core.estimation.weights",
        "core.sampling.adaptive",
        "core.tails.analysis",
        "core.tails.baselines",
        "core.tails.block_maxima",
        "core.tails.forecast",
        "core.tails.gumbel",
        "core.tails.pareto",
        "core.tails.sample",
    ],
)
def test_every_estimator_has_an_example(name: str) -> None:
    assert EXAMPLES.get(name, 0) > 0
