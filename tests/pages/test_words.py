"""Numbers as people read them: never a zero for a small risk, never more digits than are known."""

from __future__ import annotations

import pytest

from core.spec import GenerationSpec
from pages.shared import words
from pages.shared.frame import plain, sentence


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        (8.34e-5, "83"),
        (1.043e-4, "104"),
        (0.352, "350,000"),
        (3.2e-8, "0.032"),
        (2.6e-6, "2.6"),
        (1.0, "1,000,000"),
    ],
)
def test_cases_in_a_million(risk: float, said: str) -> None:
    assert words.in_million(risk) == said


def test_rounding_is_that_of_the_number_as_written() -> None:
    assert words.rounded(1.095) == 1.1
    assert words.rounded_up(1.091) == 1.1
    assert words.rounded_up(3.0000000000000004) == 3
    assert words.rounded_up(0.0) == 0
    assert words.rounded(0.349) == 0.35
    assert words.three_digits(1.095) == 1.1
    assert words.three_digits(999.6) == 1_000


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (999_600_000.0, "1 billion"),
        (1e12, "1 trillion"),
        (5e15, "5 quadrillion"),
        (123_456.0, "123,000"),
    ],
)
def test_large_counts_are_in_words(count: float, said: str) -> None:
    assert words.whole(count) == said


def test_an_interval_that_reaches_zero_is_a_bound() -> None:
    assert words.between(0.0, 3.7e-4) == "below 370"
    assert words.between(4e-5, 1.5e-4) == "40 to 150"


def test_one_in() -> None:
    assert words.one_in(8.34e-5) == "about 1 in 12,000"
    assert words.one_in(0.0) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "not known yet"), (0.2, "under a second"), (41.2, "41 s"), (600, "10 min")],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


def test_text_of_others_is_shown_as_it_is() -> None:
    assert plain("*a* [b](c) $d$ :red[e] <f>") == (r"\*a\* \[b\](c) \$d\$ \:red\[e\] \<f\>")
    assert sentence("samples must be 1,\n got 0") == "Samples must be 1, got 0."


def test_how_tokens_are_drawn_names_what_is_not_as_usual() -> None:
    assert words.drawn_with(GenerationSpec()) == "temperature 1, at most 40 tokens"
    made = GenerationSpec(
        temperature=0.6, top_k=20, repetition_penalty=1.3, suppress_tokens=(3, 4), max_new_tokens=9
    )
    assert words.drawn_with(made) == (
        "temperature 0.6, top k 20, repetition penalty 1.3, suppress tokens 3 4, at most 9 tokens"
    )
