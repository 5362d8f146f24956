"""The shell command that does what a spec says: each setting becomes an option in one place.

An option is left out where the command's default is what the spec says, if the default may well be meant;
what a reader should see (the model, the behaviour, the sample's size, the seed) is always written.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

from core.audit.folder import AuditFolder
from core.behaviours.load import load_behaviour
from core.errors import BehaviourError
from core.models.embedded import embedded_models
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec
from core.runs.request import EstimateRequest
from core.search.pilot import pilot_queries
from core.search.tune import TuneSpec
from core.sensitivity.comparison import Comparison
from core.spec import UNWEIGHTED, GenerationSpec, Spec
from core.tails.spec import TailSpec

# Where the command for a comparison reads wordings that it cannot make itself.
WORDINGS_FILE = "wordings.csv"
# Options that are not called as the field they set.
OPTION_NAMES = {"system_prompt": "system"}
Option = tuple[str, object]


@dataclass(frozen=True)
class EstimateCommand:
    """One sample of a request: what `estimate` does."""

    request: EstimateRequest
    samples: int


@dataclass(frozen=True)
class TailsCommand:
    """A forecast for the worst of `horizon` queries: what `tails` does.

    source: the options that name the estimates, each as 'name=value'. taus: risks to give chances for.
    leave_out_doubtful: without the queries whose verdict is 'do not use'.
    """

    spec: TailSpec
    source: tuple[str, ...]
    horizon: int
    taus: tuple[float, ...]
    leave_out_doubtful: bool = False


@dataclass(frozen=True)
class TuneCommand:
    """A search: what `tune` does. queries_file: of its pilot, where the command cannot find it by itself."""

    spec: TuneSpec
    queries_file: Path | None = None


Command = EstimateCommand | AuditFolder | Comparison | TailsCommand | TuneCommand


def command_line(command: Command) -> str:
    """Returns the shell command that does the same without the app."""
    name, options = _command(command)
    # One word an option, so that a query may begin with a dash.
    return shlex.join(["python", "-m", "core", name, *map(_word, options)])


@singledispatch
def _command(command: object) -> tuple[str, list[Option]]:
    """Returns a command's name and its options."""
    raise TypeError(f"there is no command for {type(command).__name__}")


@_command.register
def _estimate(command: EstimateCommand) -> tuple[str, list[Option]]:
    request = command.request
    options: list[Option] = [
        ("query", request.query),
        ("model", request.model),
        *_changed(request.loading, LoadingSpec()),
        ("behaviour", request.behaviour),
        ("method", request.method),
        ("samples", command.samples),
        ("seed", request.seed),
    ]
    if request.method not in UNWEIGHTED:
        # Without a proposal the command measures the default.
        used = request.proposals if request.proposal is not None else ()
        options += [("proposal", _proposal(proposal)) for proposal in used]
        options.append(("defensive", request.defensive_share))
    options += _changed(request.generation, GenerationSpec())
    options += _judged(request.behaviour, request.judge, request.threshold)
    return "estimate", options


@_command.register
def _audit(command: AuditFolder) -> tuple[str, list[Option]]:
    spec = command.spec
    options: list[Option] = [("out", command.path)]
    if command.queries_file is not None:
        options.append(("queries", command.queries_file))
    options += [("model", model.name) for model in spec.models]
    options += _changed(spec.models[0].loading, LoadingSpec())
    options += [("behaviour", spec.behaviour), ("method", spec.method), ("samples", spec.samples)]
    if spec.precision is not None:
        options.append(("precision", spec.precision))
    options.append(("monte-carlo", spec.monte_carlo_samples))
    if spec.proposal is not None:
        options.append(("proposal", spec.proposal.model_dump_json()))
    options.append(("defensive", spec.defensive_share))
    options += _changed(spec.generation, GenerationSpec())
    options += _judged(spec.behaviour, spec.judge, spec.threshold)
    return "audit", [*options, ("seed", spec.seed), ("resume", True)]


@_command.register
def _sensitivity(command: Comparison) -> tuple[str, list[Option]]:
    spec, model = command.spec, command.spec.models[0]
    source = (f"paraphrases={WORDINGS_FILE}",) if command.source is None else command.source
    options: list[Option] = [
        ("query", command.query),
        *map(_parted, source),
        ("model", model.name),
        *_changed(model.loading, LoadingSpec()),
        *_changed(spec.generation, GenerationSpec()),
        ("behaviour", spec.behaviour),
    ]
    # Without it the command chooses by the model and the judge, for the embedded ones "mis".
    if spec.method != "mis" or spec.models[0].name not in embedded_models():
        options.append(("method", spec.method))
    options += [
        ("samples", spec.samples),
        ("defensive", spec.defensive_share),
        ("seed", spec.seed),
        *_varied(command),
    ]
    return "sensitivity", options + _judged(spec.behaviour, spec.judge, spec.threshold)


@_command.register
def _tails(command: TailsCommand) -> tuple[str, list[Option]]:
    spec, usual = command.spec, TailSpec()
    options: list[Option] = [
        *map(_parted, command.source),
        ("horizon", command.horizon),
        ("fit", spec.fit),
        *(one for one in _changed(spec, usual) if one[0] in ("estimator", "largest", "threshold")),
        *(("tau", tau) for tau in command.taus),
    ]
    if command.leave_out_doubtful:
        options.append(("leave-out-doubtful", True))
    options.append(("confidence", spec.confidence))
    if spec.bootstraps != usual.bootstraps:
        options.append(("bootstraps", spec.bootstraps))
    return "tails", [*options, ("seed", spec.seed), ("json", True)]


@_command.register
def _tune(command: TuneCommand) -> tuple[str, list[Option]]:
    spec, usual = command.spec, TuneSpec(pilot=command.spec.pilot)
    options: list[Option] = []
    if command.queries_file is not None:
        options += [("queries", command.queries_file), ("pilot-share", 1)]
    elif spec.pilot != pilot_queries(spec.behaviour):
        options += [("query", spec.pilot[0])]
    options += [
        ("model", spec.model),
        *_changed(spec.loading, LoadingSpec()),
        ("behaviour", spec.behaviour),
        # As far as it is given: a layer that is left out is searched.
        ("proposal", json.dumps({"kind": spec.proposal.kind, **_given(spec.proposal)})),
    ]
    for name, values in (("strengths", spec.strengths), ("layers", spec.layers)):
        if values:
            options.append((name, ",".join(map(_text, values))))
    options += [("grid", spec.grid), ("rows", spec.rows), ("objective", spec.objective)]
    options += _changed(spec.generation, usual.generation)
    return "tune", [*options, ("seed", spec.seed)]


def _given(proposal: AnyProposalSpec) -> dict[str, object]:
    return proposal.model_dump(mode="json", exclude_unset=True)


def _varied(command: Comparison) -> Iterator[Option]:
    for variant in command.variants:
        made = variant.generation
        if variant.kind == "system":
            yield "vary-system", made.system_prompt
        elif variant.kind == "temperature":
            yield "vary-temperature", made.temperature
        elif variant.kind == "length":
            yield "vary-length", made.max_new_tokens


def _changed(spec: Spec, usual: Spec) -> list[Option]:
    """Returns an option for each field that is not as in `usual`."""
    return [
        (OPTION_NAMES.get(field, field.replace("_", "-")), value)
        for field, value in spec
        if value != getattr(usual, field)
    ]


def _judged(behaviour: str, judge: str | None, threshold: float) -> list[Option]:
    """Returns the options for what is harm, where they are not the behaviour's own."""
    options: list[Option] = [] if judge is None else [("judge", judge)]
    try:
        own: float | None = load_behaviour(behaviour).spec.threshold
    except BehaviourError:  # there no more: the threshold is written out
        own = None
    return options if threshold == own else [*options, ("threshold", threshold)]


def _proposal(proposal: AnyProposalSpec) -> str:
    """Returns a proposal's spec as the command line takes it; what is left out has its default."""
    fields = proposal.model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"kind": proposal.kind, **fields})


def _parted(text: str) -> Option:
    name, _, value = text.partition("=")
    return name, value


def _word(option: Option) -> str:
    name, value = option
    return f"--{name}" if value is True else f"--{name}={_text(value)}"


def _text(value: object) -> str:
    """Returns a value as it is read back, bit for bit; a number in its short form where that is exact."""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    if not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
