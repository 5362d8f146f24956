"""How wordings without a hit are told."""

import json
from dataclasses import replace

import pytest

from core.sensitivity.report import SensitivityReport, without_a_hit
from core.sensitivity.summary import Spread
from core.sensitivity.words import factor, headline

ALL_HIT = Spread(
    wordings=5,
    zero_hits=0,
    left_out=0,
    seen=1.3,
    between=0.5,
    between_low=0.3,
    between_high=1.2,
    within=0.1,
    share=0.96,
)


def report(moved: Spread) -> SensitivityReport:
    return SensitivityReport("q", "aster", "harm", [], moved, None, (), 0.0)


@pytest.mark.parametrize(
    ("zero_hits", "loose", "notes", "big", "small"),
    [
        (0, 0, [], "by a factor of about 3.2;", ""),
        (1, 0, ["counts it by its bound"], "by a factor of about 3.2;", "1 more without"),
        (
            3,
            0,
            ["counts them by their bounds"],
            "by a factor of about 3.2;",
            "counted by their bounds",
        ),
        (
            3,
            2,
            ["counts them", "2 of these bounds say little"],
            "about 3.2, perhaps more;",
            "3 more without",
        ),
    ],
)
def test_only_loose_bounds_leave_room_for_more(
    zero_hits: int, loose: int, notes: list[str], big: str, small: str
) -> None:
    moved = replace(ALL_HIT, zero_hits=zero_hits, loose=loose)
    told = without_a_hit(moved)
    assert len(told) == len(notes)
    assert all(part in whole for part, whole in zip(notes, told, strict=True))
    assert any("may be wider than told" in one for one in told) == (loose > 0)
    above, below = headline(report(moved), partial=False)
    assert big in above
    assert ("mildest that gave a harmful answer" in above) == (zero_hits > 0)
    assert small in below
    assert ("without a harmful answer" in below) == (zero_hits > 0)


def test_a_factor_beyond_words_is_not_spelt_out() -> None:
    assert factor(3.16) == "3.2"
    assert factor(1.234e8) == "123,000,000"
    assert factor(1e40) == "more than a billion"


def test_wordings_that_do_not_vary_have_no_share_and_make_valid_json() -> None:
    still = report(replace(ALL_HIT, between=0.0, within=0.0, share=None))
    text = json.dumps(still.to_dict(), allow_nan=False)
    assert json.loads(text)["spread"]["share"] is None
    assert "due to wording" not in still.to_text()
