"""A spec's command line, parsed by the command itself, is the spec again; and it is spelled as ever."""

import contextlib
import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import core.audit.run  # noqa: F401  (imported while the store is patched, it would keep the patch)
from cache import MemoryStore
from core.audit.folder import AuditFolder, begin_folder
from core.audit.spec import AuditSpec
from core.behaviours.load import load_queries
from core.cli.app import app
from core.cli.command_line import (
    WORDINGS_FILE,
    Command,
    EstimateCommand,
    TailsCommand,
    TuneCommand,
    command_line,
)
from core.queries.query import Query
from core.runs.request import DEFAULT_DEFENSIVE_SHARE, EstimateRequest
from core.runs.run import RunSpec
from core.search.pilot import pilot_queries
from core.search.tune import TuneSpec
from core.sensitivity.comparison import Comparison
from core.sensitivity.variants import ORIGINAL, Variant
from core.spec import UNWEIGHTED, GenerationSpec
from core.tails.spec import TailSpec
from pages.paraphrases.work import wordings_csv
from tests.specs import strategies as known

STORED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "specs" / "stored_forms.json").read_text("utf-8")
)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Reached(Exception):
    """The work was about to begin, with these arguments."""


def reach(*arguments: Any, **named: Any) -> None:
    raise Reached(arguments, named)


def work_of(line: str, *wanted: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns what a command gives to the work it begins. wanted: the functions that do the work."""
    python, module, core, *arguments = shlex.split(line)
    assert (python, module, core) == ("python", "-m", "core")
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch("cache.open_store", lambda path: MemoryStore()))
        stack.enter_context(patch("core.audit.run.open_disk_store", lambda path: MemoryStore()))
        # Judges named at random are no files.
        stack.enter_context(patch("core.judges.trial.judge_doubts", lambda *asked: ()))
        for name in wanted:
            stack.enter_context(patch(name, reach))
        with pytest.raises(Reached) as caught:
            app(args=arguments, standalone_mode=False)
    given_arguments, named = caught.value.args
    return given_arguments, named


def as_drawn(request: EstimateRequest) -> EstimateRequest:
    """Returns the request without what its method does not use."""
    if request.method in UNWEIGHTED:
        unused: dict[str, Any] = {"proposal": None, "defensive_share": DEFAULT_DEFENSIVE_SHARE}
        return request.model_copy(update={**unused, "companions": ()})
    without = request.method == "is" or request.proposal is None
    return request.model_copy(update={"companions": ()}) if without else request


@many
@given(request=known.requests, samples=known.samples)
def test_an_estimate_comes_back(request: EstimateRequest, samples: int) -> None:
    line = command_line(EstimateCommand(request, samples))
    (parsed, count, _), _ = work_of(line, "core.runs.estimate_query.estimate_query")
    assert (parsed, count) == (as_drawn(request), samples)


@pytest.mark.parametrize(
    "query", ["-q", "--", "--json", "it's", 'a "b"', "a\nb", "$(x) `y` \\", "死 🙂"]
)
def test_any_query_comes_back(query: str) -> None:
    request = EstimateRequest(query=query, method="mc")
    line = command_line(EstimateCommand(request, 1))
    assert work_of(line, "core.runs.estimate_query.estimate_query")[0][0] == request


@pytest.mark.parametrize("value", [0.1, 0.123456789, 1e-9, 5e-324, 1 / 3, 0.30000000000000004])
def test_no_digit_of_a_number_is_lost(value: float) -> None:
    request = EstimateRequest(
        query="q", method="mc", threshold=value, generation=GenerationSpec(top_p=value)
    )
    line = command_line(EstimateCommand(request, 1))
    assert work_of(line, "core.runs.estimate_query.estimate_query")[0][0] == request


@pytest.mark.slow
@many
@given(spec=known.audits(), data=st.data())
def test_an_audit_comes_back(spec: AuditSpec, data: st.DataObject) -> None:
    # One set of options says how all the models are loaded.
    loading = spec.models[0].loading
    models = tuple(model.model_copy(update={"loading": loading}) for model in spec.models)
    spec = spec.model_copy(update={"models": models})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / data.draw(st.sampled_from(["audit", "an 'audit'", "-a"]))
        queries: tuple[Query, ...] = (Query("a", "how ?", "g"), Query("b", "-why ?", "g"))
        made = begin_folder(path, spec, queries)
        if data.draw(st.booleans()):
            # As the command line leaves it: the behaviour's own queries are no file.
            (path / "queries.jsonl").unlink()
            made = AuditFolder(path, made.manifest | {"queries_file": None}, spec, None)
            queries = load_queries(spec.behaviour)
        (parsed, asked, out, *_), named = work_of(command_line(made), "core.audit.run.run_audit")
    assert (parsed, tuple(asked), out) == (spec, queries, path)
    assert named["resume"]


def told_apart(variants: tuple[Variant, ...]) -> list[tuple[str, str, GenerationSpec]]:
    return [(one.kind, one.text, one.generation) for one in variants]


@pytest.mark.slow
@many
@given(
    plan=known.comparisons(wordings=st.from_regex(r"[a-z]{1,9}( [a-z]{1,9}){0,3}", fullmatch=True))
)
def test_a_comparison_comes_back(plan: Comparison) -> None:
    texts = tuple(
        one.text for one in plan.variants if one.kind == "wording" and one.variant_id != ORIGINAL
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        patch("core.sensitivity.wordings.load_paraphrases", lambda behaviour, query: texts),
        patch("core.sensitivity.wordings.make_wordings", lambda *how: (texts, [str(how[2:])])),
    ):
        Path(WORDINGS_FILE).write_text(wordings_csv(plan), "utf-8")
        (parsed, *_), _ = work_of(command_line(plan), "core.sensitivity.compare.compare")
    assert parsed.spec == plan.spec
    if plan.source == ():
        # Settings that vary alone need no wordings, and a comparison of both names its source.
        varied = any(one.kind != "wording" for one in plan.variants)
        assert len(parsed.variants) == len(plan.variants) - (len(texts) if varied else 0)
    else:
        assert told_apart(parsed.variants) == told_apart(plan.variants)
    if plan.source == ("reword=25", "maker=model"):
        assert parsed.notes == ("(25, 'model', None)",)


@many
@given(
    spec=known.tails(),
    horizon=st.integers(1, 10**12),
    taus=st.lists(known.above_zero(1.0, exclude_max=True), min_size=1, max_size=4),
    left_out=st.booleans(),
    source=st.sampled_from([("audit=a folder",), ("input=-x.csv",), ("input=x.csv", "model=a=b")]),
)
def test_a_forecast_comes_back(
    spec: TailSpec, horizon: int, taus: list[float], left_out: bool, source: tuple[str, ...]
) -> None:
    # Noise is left in by no option: the command always prints both.
    spec = spec.model_copy(update={"noise_corrected": True})
    if spec.largest is not None:
        spec = spec.model_copy(update={"threshold": None})
    heard: dict[str, Any] = {}

    def read(where: object, model: str | None, keep_doubtful: bool, **grouping: object) -> None:
        heard.update(where=where, model=model, keep_doubtful=keep_doubtful)

    line = command_line(TailsCommand(spec, source, horizon, tuple(taus), left_out))
    with (
        patch("core.audit.results.read_results", lambda path: path),
        patch("core.tails.reading.sample_from_table", read),
        patch("core.tails.reading.read_csv", read),
    ):
        (_, parsed, horizons, parsed_taus, *_), _ = work_of(
            line, "core.tails.report.forecast_report"
        )
    assert (parsed, horizons, list(parsed_taus)) == (spec, [horizon], taus)
    assert heard["where"] == Path(source[0].partition("=")[2])
    assert heard["model"] == ("a=b" if len(source) > 1 else None)
    assert heard["keep_doubtful"] is not left_out


@pytest.mark.slow
@many
@given(spec=known.searches, data=st.data())
def test_a_search_comes_back(spec: TuneSpec, data: st.DataObject) -> None:
    pilots = {
        "own": pilot_queries(spec.behaviour),
        "one": spec.pilot[:1],
        "file": ("how ?", "why ?"),
    }
    source = data.draw(st.sampled_from(list(pilots)))
    spec = spec.model_copy(update={"pilot": pilots[source]})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "its queries.txt"
        file.write_text("how ?\nwhy ?\n", "utf-8")
        line = command_line(TuneCommand(spec, file if source == "file" else None))
        (parsed, *_), _ = work_of(line, "core.search.tune.tune")
    assert parsed == spec
    # A layer that is given is the only one that is searched.
    given_one, parsed_one = spec.proposal.model_fields_set, parsed.proposal.model_fields_set
    assert ("layer" in parsed_one) == ("layer" in given_one)


def commands(kind: str, stored: dict[str, Any]) -> Iterator[tuple[Command, str]]:
    """Yields the commands of a spec that was stored, and how each was spelled then."""
    fields = json.loads(stored["json"])
    if kind == "run":
        run = RunSpec(**fields)
        for arm in ("weighted", "mc"):
            yield EstimateCommand(run.arm_request(arm), run.arm_samples(arm)), stored[arm]
    elif kind == "audit":
        manifest = {"queries_file": "my queries.csv"}
        folder = AuditFolder(Path("audits/my audit"), manifest, AuditSpec(**fields), None)
        yield folder, stored["line"]
    elif kind == "comparison":
        yield Comparison(**fields), stored["line"]
    elif kind == "tail":
        spec, taus = TailSpec(**fields), tuple(stored["taus"])
        source, left_out = tuple(stored["options"]), stored["left_out"]
        yield TailsCommand(spec, source, stored["n"], taus, left_out), stored["line"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        pair
        for kind, every in STORED.items()
        for number, stored in enumerate(every)
        # A start that is a risk was left out, so that the command made another forecast.
        if (kind, number) != ("tail", 2)
        for pair in commands(kind, stored)
    ],
)
def test_a_command_is_spelled_as_it_was(command: Command, line: str) -> None:
    assert command_line(command).replace(" --bootstraps=200", "") == line


def test_where_a_tail_starts_is_part_of_its_command() -> None:
    ((command, line),) = commands("tail", STORED["tail"][2])
    assert command_line(command) == line.replace(" --tau", " --threshold=0.01 --tau")
