"""One query's estimate by look-ahead, from the question to a report (docs/method.md#look-ahead)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.behaviours.load import load_behaviour
from core.errors import BehaviourError
from core.estimation.words import per_million
from core.judges import Judge, RuleJudge, behaviour_judge, load_judge
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.estimate import LookAheadEstimate, look_ahead_estimate
from core.look_ahead.language import NoAutomatonError
from core.look_ahead.rows import OpenRows, largest_value, open_rows
from core.look_ahead.tokens import HARMFUL, HARMLESS, TokenAutomaton
from core.models.batching import in_batches
from core.models.chat import answer_text
from core.models.checked import load_checked
from core.models.loading import DEFAULT_MODEL, LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import target_arm
from core.sampling.loop import row_uniforms
from core.sampling.streams import open_stream
from core.spec import GenerationSpec, QueryText, Seed, Spec, Threshold, check_samples
from core.tasks import Progress, Steps

# Beginnings drawn at once, at most: between two batches progress is told.
BATCH_ROWS = 128
# Beginnings of each batch whose tokens are shown to the judge itself.
WITNESSED_ROWS = 8
# Apart from the streams of answers, whose numbers come from a spec's hash.
STREAM = 1


class LookAheadRequest(Spec):
    """What to estimate: the query, the model, and the behaviour whose judge decides.

    judge: a judge's file or short name, None for the behaviour's own. threshold: None for the judge's.
    """

    query: QueryText
    model: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()
    behaviour: str = "misuse"
    generation: GenerationSpec = GenerationSpec()
    judge: str | None = None
    threshold: Threshold | None = None
    seed: Seed = 0


@dataclass(frozen=True)
class LookAheadReport:
    """An estimate by look-ahead, and what it was made of. seconds: of all draws, without loading."""

    request: LookAheadRequest
    model_fingerprint: str
    estimate: LookAheadEstimate
    seconds: float
    forward_tokens: int

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; nan is None."""
        found = asdict(self.estimate)
        return {
            **self.request.model_dump(mode="json"),
            "model_fingerprint": self.model_fingerprint,
            **{name: None if value != value else value for name, value in found.items()},
            "doubts": list(self.estimate.doubts),
            "seconds": self.seconds,
            "forward_tokens": self.forward_tokens,
        }

    def to_text(self) -> str:
        """Returns the report for a reader."""
        found = self.estimate
        lines = [
            f"risk: {per_million(found.estimate)} ({found.confidence:.0%} interval "
            f"{per_million(found.ci_low)} to {per_million(found.ci_high)})",
            f"look-ahead on {found.samples:,} beginnings of answers by {self.request.model}, "
            f"{self.seconds:.1f} s",
        ]
        lines.append(
            f"assuming nothing of what was not met, below {per_million(found.upper_bound_free)}"
        )
        if found.exact > 0:
            lines.append(f"{per_million(found.exact)} of it is exact: the first token settles it")
        if found.monte_carlo_equivalent == found.monte_carlo_equivalent:
            lines.append(
                f"Monte Carlo needs {found.monte_carlo_equivalent:,.0f} answers for the same error"
            )
        return "\n".join([*lines, *(f"caution: {doubt}" for doubt in found.doubts)])


def automaton_for(
    loaded: LoadedModel, judge: Judge, query: str, threshold: float | None = None
) -> TokenAutomaton:
    """Returns the automaton of a judge's word on answers to this query.

    Raises:
        NoAutomatonError: the judge is no judge of rules, has no rule for the query, or cannot be followed.
    """
    if not isinstance(judge, RuleJudge):
        raise NoAutomatonError(
            f"look-ahead needs a judge of rules, got {judge.spec().get('judge', 'another')!r}: only a word "
            "on tokens can be known before they are said; use `tailscope estimate`"
        )
    demand = judge.rules.demand_for(query)
    if demand is None:
        raise NoAutomatonError("no rule of this judge covers the query, so no answer can be judged")
    return TokenAutomaton(
        loaded, JudgeAutomaton(demand, judge.threshold if threshold is None else threshold)
    )


def look_ahead_query(
    request: LookAheadRequest,
    samples: int,
    *,
    loaded: LoadedModel | None = None,
    notify: Callable[[str], object] = lambda note: None,
) -> Steps[LookAheadEstimate, LookAheadReport]:
    """Yields its progress, each with the estimate so far, and returns the report.

    Raises:
        TailscopeError: bad input, in one sentence; NoAutomatonError where the judge cannot be followed.
    """
    check_samples(samples)
    load_behaviour(request.behaviour)
    judge = (
        behaviour_judge(request.behaviour) if request.judge is None else load_judge(request.judge)
    )
    yield Progress(message="loading the model")
    steps, rows_at_once = request.generation.max_new_tokens, BATCH_ROWS
    if loaded is None:
        loaded, rows_at_once = load_checked(
            request.model, request.loading, BATCH_ROWS, steps, notify
        )
    arm = target_arm(loaded, [request.query], request.generation)
    yield Progress(message="following the judge's rules")
    automaton = automaton_for(loaded, judge, request.query, request.threshold)
    if not automaton.settles_early:
        notify(
            "this judge clears an answer by what may come until the end, so harm is counted at the last "
            "token only, and look-ahead gains less"
        )
    witness = _Witness(loaded, judge, request, automaton)
    model, began = loaded, time.perf_counter()
    values: list[NDArray[np.float64]] = []
    exact, tokens = 0.0, 0

    def draw(batch: range) -> tuple[OpenRows, int]:
        stream = open_stream([arm], steps)
        found = open_rows(
            stream,
            request.generation,
            automaton,
            vocabulary=model.vocabulary,
            uniforms=row_uniforms(request.seed, STREAM, batch, steps),
        )
        return found, stream.forward_tokens

    for start in range(0, samples, rows_at_once):
        batch = range(start, min(start + rows_at_once, samples))
        cost = len(arm.prompts[0]) + steps
        for rows, went in in_batches(model, batch, rows_at_once, draw, row_cost=cost):
            witness.check(rows)
            values.append(rows.values())
            exact, tokens = float(rows.mass[0, 0]), tokens + went
        so_far = look_ahead_estimate(np.concatenate(values), exact, largest=largest_value(steps))
        yield Progress(batch.stop, samples, "answers", message="drawing beginnings", partial=so_far)
    return LookAheadReport(
        request=request,
        model_fingerprint=loaded.fingerprint,
        estimate=look_ahead_estimate(np.concatenate(values), exact, largest=largest_value(steps)),
        seconds=time.perf_counter() - began,
        forward_tokens=tokens,
    )


class _Witness:
    """Shows the judge itself answers that the automaton calls settled, chosen at random among those met."""

    def __init__(
        self,
        loaded: LoadedModel,
        judge: Judge,
        request: LookAheadRequest,
        automaton: TokenAutomaton,
    ) -> None:
        self._loaded, self._judge, self._query = loaded, judge, request.query
        self._automaton = automaton
        assert isinstance(judge, RuleJudge), "look-ahead has a judge of rules"
        self._threshold = judge.threshold if request.threshold is None else request.threshold
        self._generator = np.random.default_rng(request.seed)

    def check(self, rows: OpenRows) -> None:
        """Raises BehaviourError if the judge says otherwise of one of them."""
        answers: list[tuple[list[int], bool]] = []
        steps = rows.tokens.shape[1]
        for row in self._generator.choice(len(rows.lengths), WITNESSED_ROWS).tolist():
            length = int(self._generator.integers(rows.lengths[row] + 1))
            begun = rows.tokens[row, :length].tolist()
            following = self._automaton.next(self._automaton.after(begun))
            settles = following.at_last if length + 1 == steps else following.settles
            for word in (HARMFUL, HARMLESS):
                tokens = np.flatnonzero(settles == word)
                if len(tokens):
                    answers.append(([*begun, int(self._generator.choice(tokens))], word == HARMFUL))
        self._compare(answers)

    def _compare(self, answers: Sequence[tuple[list[int], bool]]) -> None:
        texts = [answer_text(self._loaded, tokens) for tokens, _ in answers]
        judgements = self._judge.judge(self._query, texts)
        for text, judgement, (_, harmful) in zip(texts, judgements, answers, strict=True):
            said = judgement.score is not None and judgement.score >= self._threshold
            if said != harmful:
                raise BehaviourError(
                    f"look-ahead and the judge disagree on {text!r}; use `tailscope estimate` for this "
                    "judge, and please report it"
                )
