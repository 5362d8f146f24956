"""How long answers will take here, measured on a few tokens of the very model, prompt and settings."""

import time
from dataclasses import dataclass

import torch

from core.behaviours.load import load_contrast_pairs
from core.models.batch_sizes import FIRST_ROWS
from core.models.loading import LoadedModel
from core.models.threads import SMALL_PARAMETERS
from core.proposals import SteerSpec, kind_of, target_arm
from core.runs.prepare import fingerprints, ready_proposals
from core.runs.request import EstimateRequest, sampling_plan
from core.sampling.loop import distributions
from core.sampling.shards import SHARD_ROWS, DrawnShard, draw_steps
from core.sampling.streams import open_stream
from core.search.cross_entropy import DEFAULT_PILOT_ROWS
from core.search.pilot import PILOT_QUERIES, pilot_layers
from core.spec import UNWEIGHTED
from core.tasks import duration, outcome_last

BUDGET = 1.5  # seconds
PROBE_STEPS = 3
# Of a small model; one shard is then 2% of all.
SHARDS_WORTH = 50
# Nobody needs to be told of less.
WORTH_TELLING = 20.0  # seconds
# What is offered instead ends within so long.
SHORT_WAIT = 60.0  # seconds
OFFERS = (5_000, 2_500, 1_000, 500, 250, 100, 50)
# A token that is scored, over one that is drawn: measured on SmolLM2, 65 and 42 a second.
SCORING = 0.65


@dataclass(frozen=True)
class Forecast:
    """Seconds before the first answer is drawn (a pilot, if one is needed), and for each answer."""

    first: float
    answer: float

    def seconds(self, answers: int) -> float:
        """Returns how long so many answers take, the pilot included."""
        return self.first + answers * self.answer

    def fewer(self, answers: int) -> int | None:
        """Returns how many answers to offer instead of so many; None where that would not help."""
        if self.seconds(answers) <= SHORT_WAIT or self.first > self.seconds(answers) / 2:
            return None
        below = [offer for offer in OFFERS if offer < answers]
        short = [offer for offer in below if self.seconds(offer) <= SHORT_WAIT]
        return max(short, default=min(below, default=None))

    def sentence(self, answers: int) -> str | None:
        """Returns what to say before so many answers are drawn; None where they take no time."""
        takes = self.seconds(answers)
        if takes < WORTH_TELLING:
            return None
        said = f"about {duration(takes)} for {answers:,} answers here"
        if self.first > WORTH_TELLING:
            said += f", {duration(self.first)} of it to measure proposals (--method mc needs none)"
        offer = self.fewer(answers)
        if offer is not None:
            said += f"; {offer:,} take about {duration(self.seconds(offer))}: --samples {offer}"
        return said


def forecast(loaded: LoadedModel, request: EstimateRequest, *, pilot: bool = False) -> Forecast:
    """Returns how long a request's answers will take here; itself it takes a second or two.

    pilot: whether its proposals are still to be measured; answers are then taken to need one proposal.
    On a large model on a CPU, answers are taken to be as long as they may be.

    Raises:
        SpecError, ModelError: the request does not fit the model.
    """
    if loaded.device.type != "cpu" or loaded.parameters < SMALL_PARAMETERS:
        drawn = request.model_copy(update={"method": "mc"}) if pilot else _whole_answers(request)
        answer = _of_a_shard(loaded, drawn)
        prompt, token = 0.0, answer / request.generation.max_new_tokens
    else:
        prompt, token = _of_a_batch(loaded, request)
        answer = _answer_seconds(request, prompt, token, pilot=pilot)
    return Forecast(_pilot_seconds(loaded, request, prompt, token) if pilot else 0.0, answer)


def _whole_answers(request: EstimateRequest) -> EstimateRequest:
    # A beginning takes as long as an answer, but for those that end early.
    return request.model_copy(update={"method": "mc"}) if request.method == "ahead" else request


def _of_a_shard(loaded: LoadedModel, request: EstimateRequest) -> float:
    """Returns seconds an answer from as much of a shard as is drawn within the budget."""
    proposals = ready_proposals(loaded, request)
    plan = sampling_plan(request, fingerprints(loaded, proposals), SHARD_ROWS, request.threshold)
    began = time.perf_counter()
    for at in outcome_last(draw_steps(loaded, plan.spec, range(SHARD_ROWS), proposals)):
        taken = time.perf_counter() - began
        if isinstance(at, DrawnShard):
            return taken / len(at)
        if taken > BUDGET and at.done > 0:
            return taken / at.done
    raise AssertionError("the last is the shard")


def _of_a_batch(loaded: LoadedModel, request: EstimateRequest) -> tuple[float, float]:
    """Returns seconds for one arm's prompt, and for one token of one arm and row."""
    generation = request.generation
    arm = target_arm(loaded, [request.query], generation)
    began = time.perf_counter()
    stream = open_stream([arm], PROBE_STEPS)
    prompt = time.perf_counter() - began
    steps = []
    for _ in range(PROBE_STEPS):
        began = time.perf_counter()
        (target,) = distributions(stream, generation, loaded.vocabulary, [])
        stream.advance(target.argmax(-1).to(torch.int64).cpu())
        steps.append(time.perf_counter() - began)
    return prompt, sum(steps) / PROBE_STEPS / FIRST_ROWS


def _answer_seconds(request: EstimateRequest, prompt: float, token: float, *, pilot: bool) -> float:
    """Returns seconds an answer of full length: every arm computes its prompt, and tokens to its switch."""
    longest = request.generation.max_new_tokens
    switches = [longest] if pilot else [each.t_switch for each in request.proposals]
    tokens = longest + sum(min(switch, longest) for switch in switches)
    return tokens * token + (1 + len(switches)) * prompt / FIRST_ROWS


def _pilot_seconds(
    loaded: LoadedModel, request: EstimateRequest, prompt: float, token: float
) -> float:
    """Returns how long the search for a default proposal takes: its pairs are read, its answers scored."""
    longest = request.generation.max_new_tokens
    rungs = len(pilot_layers(len(loaded.blocks))) * len(kind_of(SteerSpec()).search.strengths)
    drawn = DEFAULT_PILOT_ROWS * 2 * longest * token + rungs * 2 * prompt
    scored = DEFAULT_PILOT_ROWS * (1 + rungs) * longest * token * SCORING
    pairs = 2 * len(load_contrast_pairs(request.behaviour)) * max(prompt, longest * token)
    return pairs + PILOT_QUERIES * (drawn + scored)


def worth_measuring(loaded: LoadedModel, answers: int) -> bool:
    """Returns whether to forecast so many answers: measuring must cost little of what they take.

    A small model draws a shard in no time, and measuring draws one.
    """
    return loaded.parameters >= SMALL_PARAMETERS or answers >= SHARDS_WORTH * SHARD_ROWS


def needs_pilot(request: EstimateRequest, *, known: bool) -> bool:
    """Returns whether a request's proposals are still to be measured. known: whether a default is."""
    return request.method not in UNWEIGHTED and request.proposal is None and not known
