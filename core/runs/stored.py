"""A run's answers, read again from the store: nothing is drawn and no judge is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.audit.replay import stored_beginning
from core.errors import TailscopeError
from core.judges import Judge, behaviour_judge, load_judge
from core.judges.identity import JudgeIdentity
from core.models.asked_with import asked_with, own_settings_of, written_date
from core.models.loading import LoadedModel
from core.runs.estimate import estimate_shards, second_request, second_samples
from core.runs.prepare import fingerprints, ready_proposals
from core.runs.reference import find_reference
from core.runs.report import EstimateReport
from core.runs.request import EstimateRequest
from core.runs.run import ARMS, SECOND, RunSpec
from core.sampling.scored import JudgedShard
from core.sampling.shards import AnyStore

Shards = tuple[JudgedShard, ...]


@dataclass(frozen=True, eq=False)
class RunFindings:
    """A run with what it has drawn. arms: shards by arm, the second proposal's among them."""

    run: RunSpec
    loaded: LoadedModel
    judge: JudgeIdentity
    arms: Mapping[str, Shards]

    def reports(self) -> dict[str, EstimateReport]:
        """Returns each arm's report, as `estimate` makes it; arms without a draw have none."""
        return {name: self._report(name) for name in ARMS if self.arms.get(name)}

    def _report(self, name: str) -> EstimateReport:
        request = self.run.arm_request("weighted" if name == "weighted" else "mc")
        if (
            request.method == "mc"
        ):  # which draws from no proposal, whatever the run's other arm does
            request = request.model_copy(update={"proposal": None, "companions": ()})
        second = self.arms.get(SECOND, ()) if name == "weighted" else ()
        shards = self.arms[name]
        return EstimateReport(
            request=request,
            model_fingerprint=self.loaded.fingerprint,
            judge=self.judge,
            samples=sum(len(shard.drawn) for shard in shards),
            estimate=estimate_shards(shards, request, second),
            reference=find_reference(request),
            template_date=written_date(self.loaded, request.generation),
            own_settings_unused=own_settings_of(self.loaded).unused(request.generation),
            told=asked_with(self.loaded, request.generation),
            loaded=self.loaded,
            shards=shards,
        )


def judge_of(request: EstimateRequest) -> Judge:
    """Returns a request's judge."""
    if request.judge is None:
        return behaviour_judge(request.behaviour)
    return load_judge(request.judge)


def identity_of(judge: Judge, request: EstimateRequest) -> JudgeIdentity:
    """Returns a judge's identity in a request's report."""
    return JudgeIdentity.of(judge.spec(), request.judge or request.behaviour)


def stored_findings(
    run: RunSpec, loaded: LoadedModel, store: AnyStore, judge: Judge | None = None
) -> RunFindings:
    """Returns what the store holds of a run, up to the first answer that it lacks.

    Raises:
        TailscopeError: it holds none of its weighted answers, or the run does not fit the model.
    """
    judge = judge or judge_of(run.request)
    asked = {name: (run.arm_request(name), run.arm_samples(name)) for name in ARMS}
    arms: dict[str, Shards] = {
        name: _read(request, samples, loaded, judge, store)
        for name, (request, samples) in asked.items()
        if samples
    }
    if not arms["weighted"]:
        raise TailscopeError(
            f"the store holds no answer of the run {run.run_id}: open it in the app, or estimate it again"
        )
    if run.request.method == "is":
        witness = second_request(loaded, run.request, store)
        arms[SECOND] = _read(witness, second_samples(run.importance_samples), loaded, judge, store)
    return RunFindings(run, loaded, identity_of(judge, run.request), arms)


def _read(
    request: EstimateRequest, samples: int, loaded: LoadedModel, judge: Judge, store: AnyStore
) -> Shards:
    known = fingerprints(loaded, ready_proposals(loaded, request))
    about: dict[str, Any] = {
        "fingerprint": known.model,
        "proposal_fingerprints": known.proposals,
        "judge": judge.spec(),
    }
    noted = {"models": {request.model: about}}
    found = stored_beginning(request, noted, store, planned=samples, drawn=samples)
    return tuple(found)
