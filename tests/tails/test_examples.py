"""The examples in the docstrings of the estimators run, and come out as written."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    ["analysis", "baselines", "block_maxima", "forecast", "gumbel", "pareto", "sample"],
)
def test_examples(name: str) -> None:
    found = doctest.testmod(import_module(f"core.tails.{name}"))
    assert found.attempted > 2
    assert found.failed == 0
