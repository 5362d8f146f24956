"""Remarks as data: a sentence for each code, in the words of its reader."""

import json
import re
from string import Formatter

import pytest

from core.errors import SpecError
from core.tails.remarks import (
    COMMAND_LINE_AUDIT,
    COMMAND_LINE_FILE,
    Remark,
    TailError,
    Vocabulary,
    sentence_of,
)
from core.tails.sample import tail_sample
from core.tails.sentences import SENTENCES


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_for_one_has_no_other_values(code: str) -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    sentence = SENTENCES[code]
    assert names(sentence.one) <= names(sentence.text)
    for vocabulary in (COMMAND_LINE_AUDIT, COMMAND_LINE_FILE):
        words = set(re.findall(r"\$(\w+)", f"{sentence.text} {sentence.one}"))
        assert words <= set(vocabulary.words)


def test_lists_of_names_and_of_numbers() -> None:
    values = {"count": 2, "exceedances": 9, "queries": ("ask {0}", "b $more"), "more": 1}
    text = sentence_of(Remark("more_doubtful_in_tail", values))
    assert "'ask {0}'; 'b $more' and 1 more" in text
    remark = Remark("beyond_support", {"horizons": (1e4, 2e6), "supported": 4000.0})
    assert sentence_of(remark) == (
        "no forecast for 10,000, 2,000,000 queries: the fit supports 4,000 at most; ask for fewer, or audit "
        "more queries"
    )
    assert json.loads(json.dumps(remark.to_dict())) == {
        "code": "beyond_support",
        "level": "caution",
        "values": {"horizons": [1e4, 2e6], "supported": 4000.0},
    }


def test_one_is_singular() -> None:
    assert sentence_of(Remark("rows_without_estimate", {"count": 1})) == (
        "1 query has no estimate and was left out"
    )
    assert sentence_of(Remark("rows_without_estimate", {"count": 2})).startswith("2 queries have")


def test_a_refusal_is_an_error_and_data() -> None:
    with pytest.raises(SpecError, match="audit more of them") as caught:
        tail_sample([0.1] * 3)
    assert isinstance(caught.value, TailError)
    assert caught.value.remark == Remark("too_few_queries", {"fewest": 20, "queries": 3})
    assert sentence_of(caught.value.remark, COMMAND_LINE_FILE).endswith("give 20 rows or more")


def test_a_value_may_have_a_name_of_its_own() -> None:
    named = Vocabulary(COMMAND_LINE_AUDIT.words, {"ml": "maximum likelihood"})
    remark = Remark("refits_too_sure", {"estimator": "ml"})
    assert sentence_of(remark, named).startswith("refits by maximum likelihood are")
