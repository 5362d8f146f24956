"""Progress of work: the pace, the time left, parts of greater work, and the result at the end."""

import time

import pytest

from core.tasks import Pace, Progress, Steps, part_of, result_of, timed


def counted(total: int, seconds: float = 0.0, stored: int = 0) -> Steps[int, str]:
    for done in range(total + 1):
        if done > stored:
            time.sleep(seconds)
        yield Progress(done, total, "pairs", stored=min(done, stored), partial=done)
    return "the result"


def test_the_share_is_between_0_and_1() -> None:
    assert Progress(1, 4).share == 0.25
    assert Progress(5, 4).share == 1.0
    assert Progress(5, 0).share == 0.0


def test_the_result_comes_at_the_end_and_each_progress_is_shown() -> None:
    shown: list[Progress[int]] = []
    assert result_of(counted(3), shown.append) == "the result"
    assert result_of(counted(3)) == "the result"
    assert [(one.done, one.total, one.partial) for one in shown] == [
        (done, 3, done) for done in range(4)
    ]
    assert shown[0].seconds_left is None
    assert shown[-1].seconds_left == 0.0


def test_the_time_left_follows_from_the_pace() -> None:
    pace = Pace()
    assert pace.timed(Progress(0, 10), 100.0).seconds == 0.0, "preparing is no part of the pace"
    assert pace.seconds_per_unit is None
    found = pace.timed(Progress(2, 10), 3.0)
    assert (found.seconds, found.seconds_left) == (3.0, 12.0)
    found = pace.timed(Progress(4, 10), 1.0)
    assert (found.seconds, found.seconds_left, pace.seconds_per_unit) == (4.0, 6.0, 1.0)
    assert pace.timed(Progress(12, 10), 1.0).seconds_left == 0.0


def test_what_was_stored_says_nothing_of_the_pace() -> None:
    pace = Pace()
    assert pace.timed(Progress(6, 10, stored=6), 0.5).seconds_left is None
    assert pace.timed(Progress(7, 10, stored=6), 2.0).seconds_left == 6.0


def test_there_is_no_pace_before_the_least() -> None:
    pace = Pace(least=5)
    assert pace.timed(Progress(4, 10), 8.0).seconds_left is None
    assert pace.timed(Progress(5, 10), 2.0).seconds_left == 10.0


def test_time_between_two_steps_does_not_count() -> None:
    steps = timed(counted(3, seconds=0.01))
    next(steps)
    first = next(steps)
    time.sleep(0.5)
    second = next(steps)
    assert first.seconds is not None
    assert second.seconds is not None
    assert 0.02 <= second.seconds < 0.4


def test_progress_that_is_timed_stays_as_it_is() -> None:
    given = Progress[None](1, 4, seconds=7.0, seconds_left=21.0)

    def steps() -> Steps[None, None]:
        yield given

    assert next(timed(timed(steps()))) is given


def test_steps_are_a_part_of_greater_work() -> None:
    def whole() -> Steps[None, str]:
        start = Progress[None](2, 5, "questions", stored=1)
        return (yield from part_of(start, 2, part()))

    def part() -> Steps[None, str]:
        yield Progress(5, 10, "answers")
        yield Progress(10, 10, "answers")
        return "surface"

    shown: list[Progress[None]] = []
    assert result_of(whole(), shown.append) == "surface"
    assert [(one.done, one.total, one.unit, one.stored) for one in shown] == [
        (3.0, 5, "questions", 1),
        (4.0, 5, "questions", 1),
    ]


def test_an_error_passes_through() -> None:
    def failing() -> Steps[None, None]:
        yield Progress(1, 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        result_of(failing())
