"""What a paid judge costs is told before anything is sent."""

import math
import time
from typing import Any

import pytest

from core.judges.base import Judge, PaidJudge
from core.judges.cost import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE, CostEstimate, text_tokens
from core.judges.rubric import RubricJudge
from core.judges.rules import RuleJudge, RuleSet
from tests.judges.chat_servers import chat, says, send, server, settings

PRICES = {"price_per_million_prompt": 2.0, "price_per_million_reply": 10.0, "currency": "EUR"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_the_cost_of_answers_is_known_before_anything_is_sent() -> None:
    with server(says("3")) as seen:
        judge = RubricJudge(settings(seen.url, max_tokens=10, template="{query}{answer}", **PRICES))
        cost = judge.estimate_cost("how?", ["x" * 400, "y" * 400, "x" * 400])
        assert (len(seen), cost.requests, cost.reply_tokens) == (0, 2, 20)
        assert cost.seconds is None
        judge.judge("how?", ["x" * 400])
        sent = [message["content"] for message in seen.bodies[0]["messages"]]
        each = sum(math.ceil(len(text) / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE for text in sent)
        assert cost.prompt_tokens == 2 * each
        assert cost.price == pytest.approx((2 * each * 2 + 20 * 10) / 1e6)
        assert cost.currency == "EUR"
        # What is graded already costs nothing again.
        assert judge.estimate_cost("how?", ["x" * 400, "y" * 400]).requests == 1
    assert RubricJudge(settings()).estimate_cost("how?", ["x"]).price is None


def test_a_price_of_nothing_is_a_price() -> None:
    free = {"price_per_million_prompt": 0.0, "price_per_million_reply": 0.0}
    assert RubricJudge(settings(**free)).cost_before("how?", 9, 9).price == 0.0


def test_the_cost_before_drawing_is_no_less_than_that_of_the_answers_drawn() -> None:
    judge = RubricJudge(settings(max_tokens=10, **PRICES))
    before = judge.cost_before("how?", answers=3, answer_tokens=40)
    # Forty words of 5 letters, each a token of the model's.
    drawn = judge.estimate_cost("how?", [" ".join(["larks"] * 40) + str(n) for n in range(3)])
    assert (before.requests, before.reply_tokens) == (drawn.requests, drawn.reply_tokens) == (3, 30)
    assert drawn.prompt_tokens - 3 <= before.prompt_tokens <= 2 * drawn.prompt_tokens
    longer = judge.cost_before("how?", answers=3, answer_tokens=41)
    assert longer.prompt_tokens > before.prompt_tokens
    assert before.price == pytest.approx((before.prompt_tokens * 2 + 30 * 10) / 1e6)
    assert judge.cost_before("how?", 0, 40).price == 0.0


def test_only_what_costs_is_a_paid_judge() -> None:
    assert isinstance(RubricJudge(settings()), PaidJudge)
    free = RuleJudge(RuleSet.model_validate({"default": {"required": ["x"]}}))
    assert isinstance(free, Judge)
    assert not isinstance(free, PaidJudge)


def test_the_time_is_told_once_replies_were_timed() -> None:
    def act(handler: Any, _: int) -> None:
        time.sleep(0.1)
        send(handler, 200, chat("3"))

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, concurrency=2))
        assert judge.cost_before("how?", 100, 40).seconds is None
        judge.judge("how?", ["a", "b"])
        seconds = judge.cost_before("how?", 100, 40).seconds
        assert seconds is not None
        assert 5.0 <= seconds < 15.0
        paced = RubricJudge(settings(seen.url, requests_per_minute=600))
        paced.judge("how?", ["a"])
        assert paced.cost_before("how?", 1001, 40).seconds == pytest.approx(100, rel=0.01)


def test_text_of_other_alphabets_counts_for_more() -> None:
    assert text_tokens("larkspur!") == 3
    assert text_tokens("打开百合花的门") == 7
    assert text_tokens("\ud800") == 1


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (
            CostEstimate(1000, 310_000, 256_000, 2.305),
            "At most 1,000 requests, 310,000 prompt tokens and 256,000 reply tokens: at most 2.31 USD.",
        ),
        (
            CostEstimate(1, 310, 256, None),
            "At most 1 request, 310 prompt tokens and 256 reply tokens: no price is set.",
        ),
        (
            CostEstimate(7, 310, 256, 0.0, 30.0, "€"),
            "At most 7 requests, 310 prompt tokens and 256 reply tokens, in no less than 30 seconds: "
            "at most 0.00 €.",
        ),
        (
            CostEstimate(7, 310, 256, 0.0001, 600.0),
            "At most 7 requests, 310 prompt tokens and 256 reply tokens, in no less than 10 minutes: "
            "at most 0.01 USD.",
        ),
        (
            CostEstimate(7, 310, 256, 1234.5, 7200.0),
            "At most 7 requests, 310 prompt tokens and 256 reply tokens, in no less than 2.0 hours: "
            "at most 1,234.50 USD.",
        ),
        (CostEstimate(0, 0, 0, 0.0), "Nothing is left to ask: no requests and no cost."),
    ],
)  # fmt: skip
def test_a_cost_is_one_sentence(cost: CostEstimate, text: str) -> None:
    assert cost.to_text() == text
