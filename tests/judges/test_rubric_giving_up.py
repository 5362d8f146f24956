"""The rubric judge and a server that is down, hangs or refuses: how soon it is given up, and how anew."""

import itertools
import socket
import threading
import time
from typing import Any

import pytest

from core.errors import SpecError
from core.judges.rate_limit import GIVE_UP_AFTER, FailureCounter, Pacer
from core.judges.rubric import HARMLESS, RubricJudge, RubricSpec
from tests.judges.chat_servers import (
    broken,
    chat,
    hangs,
    in_turn,
    says,
    send,
    server,
    settings,
    shown_answer,
)

MANY = [f"answer {number}" for number in range(200)]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def timed(judge: RubricJudge, answers: list[str]) -> tuple[list[Any], float]:
    start = time.perf_counter()
    found = judge.judge("how?", answers)
    return found, time.perf_counter() - start


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        judge = RubricJudge(settings(f"http://127.0.0.1:{held.getsockname()[1]}/v1"))
        found, seconds = timed(judge, MANY)
    assert seconds < 2.0
    assert {judgement.score for judgement in found} == {None}
    assert "cannot be reached" in found[0].reason
    assert found[0].reason.endswith("(3 attempts).")
    assert {judgement.reason[:44] for judgement in found[1:]} == {
        "Not asked: the server cannot be reached: [Er"
    }


def test_a_server_that_hangs_from_the_start_costs_two_time_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By default 2 minutes, for any number of answers, and 10 s for the next ones."""
    plain = RubricSpec(base_url="http://x/v1", model="m")
    assert 2 * plain.timeout_s <= 150
    monkeypatch.setattr("core.judges.rubric.RECHECK_SECONDS", 0.05)
    with server(hangs) as seen:
        judge = RubricJudge(settings(seen.url, timeout_s=0.4, attempts=5))
        found, seconds = timed(judge, MANY)
        assert seconds < 1.2
        assert len(seen) == 2
        assert {judgement.score for judgement in found} == {None}
        assert found[0].reason == "Not judged: the server took more than 0.4 s (1 attempt)."
        assert found[1].reason == "Not asked: the server took more than 0.4 s (1 attempt)."
        found, seconds = timed(judge, MANY)
        assert len(seen) == 3
        assert seconds < 0.3


def test_a_slow_start_is_forgiven() -> None:
    with server(in_turn(hangs, says("3"))) as seen:
        judge = RubricJudge(settings(seen.url, timeout_s=0.4))
        found, _ = timed(judge, MANY[:20])
        assert {judgement.score for judgement in found} == {0.5}
        assert len(seen) == 22
        assert shown_answer(seen.bodies[1]) == HARMLESS[1]


def test_a_server_that_begins_to_hang_is_given_up_after_so_many_late_requests() -> None:
    hung = threading.Event()

    def act(handler: Any, turn: int) -> None:
        if turn < 5:
            send(handler, 200, chat("3"))
        else:
            hung.wait(5.0)

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, timeout_s=0.4, attempts=5, concurrency=4))
        found, seconds = timed(judge, MANY)
        hung.set()
    assert seconds < 2.5
    assert len(seen) <= 5 + GIVE_UP_AFTER + 3
    assert [judgement.score for judgement in found].count(0.5) == 5
    assert found[-1].reason == "Not asked: the server was late 8 times in a row."


def test_a_server_that_breaks_is_given_up_on_and_asked_anew_next_time() -> None:
    failing = in_turn(says("3"), *[broken] * (2 * GIVE_UP_AFTER), says("3"))
    with server(failing) as seen:
        judge = RubricJudge(settings(seen.url, attempts=2, concurrency=1))
        found, _ = timed(judge, MANY)
        assert len(seen) == 1 + 2 * GIVE_UP_AFTER
        assert found[-1].reason == "Not asked: the server failed for 8 answers in a row."
        found, _ = timed(judge, MANY)
        assert {judgement.score for judgement in found} == {0.5}
        # One is remembered, and a harmless answer showed that the server is back.
        assert len(seen) == 1 + 2 * GIVE_UP_AFTER + 1 + len(MANY) - 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_of_name_or_key_is_not_repeated_for_every_answer(status: int) -> None:
    with server(lambda h, _: send(h, status, "no such model: grader-1")) as seen:
        found, _ = timed(RubricJudge(settings(seen.url)), MANY)
    assert len(seen) == 2
    said = f"the server answered with status {status} (no such model: grader-1)."
    assert found[0].reason == f"Not judged: {said}"
    assert {judgement.reason for judgement in found[1:]} == {f"Not asked: {said}"}


def test_answers_that_are_refused_one_by_one_do_not_stop_the_others() -> None:
    """A server may refuse what an answer says, from the first answer on."""

    def act(handler: Any, turn: int) -> None:
        bad = shown_answer(seen.bodies[turn]).startswith("bad")
        send(handler, 400 if bad else 200, "no" if bad else chat("5"))

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, concurrency=1))
        found, _ = timed(judge, [f"bad {number}" for number in range(20)] + ["good"])
    assert [judgement.score for judgement in found] == [None] * 20 + [1.0]
    assert len(seen) == 22


def test_a_busy_server_is_not_given_up() -> None:
    busy = [lambda h, _: send(h, 429, "slow down", Retry_After="0")] * 2
    with server(in_turn(*busy, says("3"))) as seen:
        found, _ = timed(RubricJudge(settings(seen.url)), MANY[:5])
    assert {judgement.score for judgement in found} == {0.5}
    assert len(seen) == 2 + 5


def test_the_pace_is_kept_to_by_all_threads() -> None:
    times = []

    def act(handler: Any, _: int) -> None:
        times.append(time.perf_counter())
        send(handler, 200, chat("3"))

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, requests_per_minute=1200, concurrency=8))
        found, seconds = timed(judge, MANY[:9])
        assert {judgement.score for judgement in found} == {0.5}
    assert seconds >= 8 * 0.05
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sum(gaps) / len(gaps) >= 0.045
    assert seconds < 2.0


def test_who_waits_for_its_turn_does_not_wait_once_it_is_over() -> None:
    pacer, failures = Pacer(0.1), FailureCounter()
    pacer.wait(failures.stop)
    threading.Timer(0.1, failures.stop.set).start()
    start = time.perf_counter()
    pacer.wait(failures.stop)
    assert 0.05 < time.perf_counter() - start < 2.0
    assert pacer.least_seconds(3) == 1200


def test_the_check_says_in_a_sentence_whether_the_server_grades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def checked(act: Any, **changes: Any) -> tuple[bool, str]:
        with server(act) as seen:
            found = RubricJudge(settings(seen.url, **changes)).check()
            assert len(seen) == 1
        return found

    good = (True, "The server answers: grader-1 graded a harmless answer 2 on 1-5.")
    assert checked(says("2")) == good
    ok, said = checked(says("It is fine."))
    assert not ok
    assert said.startswith("The server answers, but its replies cannot be used. Not judged: the")
    assert checked(broken) == (
        False,
        "No grade came: the server answered with status 500 (oh) (1 attempt).",
    )
    assert checked(hangs, timeout_s=0.2)[0] is False
    monkeypatch.setenv("GRADER_KEY", "x")
    judge = RubricJudge(settings(api_key_env="GRADER_KEY"))
    monkeypatch.delenv("GRADER_KEY")
    ok, said = judge.check()
    assert (ok, said) == (
        False,
        "No grade came: environment variable 'GRADER_KEY', named by api_key_env, is not set.",
    )
    with pytest.raises(SpecError):
        judge.judge("how?", ["answer"])


def test_after_a_good_check_answers_go_out_at_once() -> None:
    with server(says("2")) as seen:
        judge = RubricJudge(settings(seen.url))
        assert judge.check()[0]
        judge.judge("how?", MANY[:5])
        assert len(seen) == 6


@pytest.mark.parametrize(
    ("content", "finish", "score", "reason"),
    [
        ([{"type": "text", "text": "4"}], "stop", 0.75, "Graded 4"),
        ([{"type": "reasoning", "text": "5"}, {"type": "text", "text": "4"}], "stop", 0.75, "4"),
        ([{"type": "output_text", "text": '{"score":'}, {"type": "text", "text": "2}"}], "stop", 0.25, ""),
        ([{"type": "thinking", "thinking": "4"}], "stop", None, "the reply holds no text"),
        (["4", None, {"type": "text", "text": None}], "stop", None, "the reply holds no text"),
        (None, "stop", None, "the reply holds no text"),
        (None, "length", None, "the reply was cut off ('length')"),
        ({"text": "4"}, "stop", None, "the reply holds no text"),
    ],
)  # fmt: skip
def test_replies_of_reasoning_models(
    content: object, finish: str, score: float | None, reason: str
) -> None:
    with server(says(content, finish)) as seen:
        (found,) = RubricJudge(settings(seen.url)).judge("how?", ["an answer"])
    assert found.score == score
    assert reason in found.reason


@pytest.mark.parametrize("finish", ["eos_token", "STOP", "end_turn", "", None, "stop_sequence"])
def test_a_reply_that_ended_by_itself_is_read_whatever_its_server_calls_that(
    finish: str | None,
) -> None:
    with server(says("4", finish)) as seen:
        (found,) = RubricJudge(settings(seen.url)).judge("how?", ["an answer"])
    assert found.score == 0.75


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, '{"error": {"message": "System role not supported"}}'),
        (500, "Jinja Exception: Only user and assistant roles are supported, got role system"),
        (422, "Developer instruction is not enabled: no system instruction"),
    ],
)
def test_a_server_without_a_system_role_gets_the_instructions_from_the_user(
    status: int, said: str
) -> None:
    def act(handler: Any, turn: int) -> None:
        refused = seen.bodies[turn]["messages"][0]["role"] == "system"
        send(handler, status if refused else 200, said if refused else chat("4"))

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, concurrency=1))
        found = judge.judge("how?", MANY[:5])
        assert {judgement.score for judgement in found} == {0.75}
        # Found out once.
        assert len(seen) == 6
        (message,) = seen.bodies[-1]["messages"]
        assert message["role"] == "user"
        assert "number from 1 to 5" in message["content"]
        assert MANY[4] in message["content"]
        assert "takes no system role" in found[0].reason
        assert judge.check()[1].endswith("at the head of the user's message.")


def test_a_refusal_that_folding_does_not_cure_changes_nothing_for_other_answers() -> None:
    def act(handler: Any, turn: int) -> None:
        bad = "bad" in seen.bodies[turn]["messages"][-1]["content"]
        send(handler, 400 if bad else 200, "no system prompt in answers" if bad else chat("4"))

    with server(act) as seen:
        judge = RubricJudge(settings(seen.url, concurrency=1))
        found = judge.judge("how?", ["one", "bad", "two"])
    assert [judgement.score for judgement in found] == [0.75, None, 0.75]
    assert [len(body["messages"]) for body in seen.bodies] == [2, 2, 1, 2]


def test_what_is_sent_to_a_reasoning_model() -> None:
    fields = {"max_tokens_field": "max_completion_tokens", "send_temperature": False}
    with server(says("3")) as seen:
        RubricJudge(settings(seen.url, max_tokens=2000, **fields)).judge("how?", ["an answer"])
    assert set(seen.bodies[0]) == {"model", "messages", "max_completion_tokens"}
    assert seen.bodies[0]["max_completion_tokens"] == 2000
