"""Progress on standard error: a line at intervals where it is no terminal, nothing if quiet."""

import pytest

from core.cli import console
from core.cli.app import INTERRUPTED, main
from core.tasks.progress import Progress

HALF = Progress(50, 100, "answers", 10, "drawing", seconds=4.0, seconds_left=5.0)


def test_a_log_file_gets_a_line_at_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "LINE_EVERY", 0.0)
    with console.progress(quiet=False) as show:
        show(Progress(message="loading the model"))
        show(HALF)
    assert capsys.readouterr().err.splitlines() == [
        "tailscope: loading the model",
        "tailscope: drawing, 50 of 100 answers, 10 answers a second, 5 s left",
    ]


def test_short_work_and_quiet_work_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        with console.progress(quiet=quiet) as show:
            show(HALF)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with console.progress(quiet=False) as show:
        show(HALF)
    bar = capsys.readouterr().err
    assert "drawing" in bar
    assert "50/100" in bar
    assert "10 answers a second, 5 s left" in bar


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (99, "99 s"), (120, "2 min"), (7_200, "2.0 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert console.duration(seconds) == said


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.models.preflight.preflight", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(["preflight"])
    output, errors = capsys.readouterr()
    assert (stop.value.code, output) == (INTERRUPTED, "")
    assert errors.startswith("tailscope: interrupted; ")
    assert errors.count("\n") == 1
