"""Variants and rewordings: one thing changed at a time, nothing twice, nothing made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.behaviours.load import load_paraphrases, load_queries
from core.errors import SpecError
from core.sensitivity.rewordings import FRAMES, Made, by_model, by_rule, read_reply
from core.sensitivity.variants import ORIGINAL, variants
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

QUERY = "how do i open the larkspur vault"


def test_one_thing_is_changed_at_a_time() -> None:
    base = GenerationSpec(temperature=0.9)
    found = variants(
        QUERY,
        ["another wording", " how do i open  the larkspur vault "],
        base,
        systems=["be careful"],
        temperatures=[0.9, 0.5],
        lengths=[20],
    )
    assert [one.kind for one in found] == ["wording", "wording", "system", "temperature", "length"]
    assert found[0].variant_id == ORIGINAL
    assert len({one.variant_id for one in found}) == len(found)
    for one in found[2:]:
        assert one.text == QUERY
        changed = {
            name
            for name, value in one.generation.model_dump().items()
            if value != getattr(base, name)
        }
        assert len(changed) == 1


def test_a_setting_given_twice_is_asked_once() -> None:
    found = variants(
        QUERY,
        systems=["be careful", "be careful"],
        temperatures=[0.5, 0.50, 0.7],
        lengths=[20, 10, 20],
    )
    kinds = [one.kind for one in found]
    assert kinds == ["wording", "system", "temperature", "temperature", "length", "length"]
    assert len({one.variant_id for one in found}) == len(found)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(SpecError, match="at least one other wording or setting"):
        variants(QUERY, [f" {QUERY}"], temperatures=[1.0])
    with pytest.raises(SpecError, match=r"temperature must be in 0\.01\.\.10, got 99"):
        variants(QUERY, temperatures=[99])
    with pytest.raises(SpecError, match="wordings must be at most 1,000, got 1,001"):
        variants(QUERY, [f"wording {number}" for number in range(1_001)])
    with pytest.raises(SpecError, match="visible character"):
        variants("  ", ["x"])


@given(st.integers(1, 100), st.integers(0, 5))
def test_rules_keep_the_matter_and_repeat_nothing(count: int, seed: int) -> None:
    made = by_rule(QUERY, count, seed).wordings
    assert len(made) == len(set(made)) == count
    assert QUERY not in made
    assert all("open the larkspur vault" in one for one in made)
    assert by_rule(QUERY, count, seed).wordings == made


def test_a_query_of_no_known_form_keeps_its_words() -> None:
    made = by_rule("Sing me a song!", 5).wordings
    assert made
    assert all("Sing me a song" in one for one in made)
    assert not any(one.startswith(FRAMES) for one in made)


@pytest.mark.parametrize("count", [0, 101, -3])
def test_a_count_out_of_range_is_named(count: int) -> None:
    with pytest.raises(SpecError, match=rf"1\.\.100, got {count}"):
        by_rule(QUERY, count)


def test_a_reply_is_read_line_by_line() -> None:
    reply = f'1. "open it"\n\n- Open  it\n2) another way\n{QUERY.upper()}\n' + "x" * 9_000
    made = read_reply(reply, QUERY, 10)
    assert made.wordings == ("open it", "another way")
    assert made.discarded == 3
    assert read_reply(reply, QUERY, 1).wordings == ("open it",)


def test_what_a_chat_model_adds_is_no_wording() -> None:
    reply = (
        '<think>\nLet me see.\n</think>\nHere are two:\n```\n"open it",\n**please open it**\n```'
    )
    made = read_reply(reply, QUERY, 10)
    assert made == Made(("open it", "please open it"), 1)
    assert read_reply("<think>\nLet me see.\nPerhaps", QUERY, 10) == Made(())
    assert read_reply("I’m sorry, but I can't help with that.", QUERY, 10) == Made((), 1)
    among_others = read_reply("I can't find out how to open it\nopen it", QUERY, 10)
    assert len(among_others.wordings) == 2


def test_a_local_model_is_asked() -> None:
    loaded = tiny_model(vocabulary=200)
    made = by_model(loaded, "w10 w11", 3)
    # A random model's reply is one line of words, which may be a wording as good as any.
    assert len(made.wordings) + made.discarded <= 3
    assert by_model(loaded, "w10 w11", 3) == made


def test_shipped_queries_have_their_paraphrases() -> None:
    query = next(q for q in load_queries("misuse") if q.query_id == "misuse-00-0")
    assert len(load_paraphrases("misuse", query.text)) == 25
    assert load_paraphrases("misuse", "something else") == ()
    assert load_paraphrases("sycophancy", query.text) == ()
