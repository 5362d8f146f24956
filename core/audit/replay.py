"""An audit's answers, read again from the store: nothing is drawn and no judge is asked."""

from collections.abc import Mapping
from typing import Any

from core.audit.spec import AuditSpec
from core.behaviours.load import load_behaviour
from core.errors import SpecError, TailscopeError
from core.proposals import build_proposal
from core.runs.request import EstimateRequest, Fingerprints, sampling_plan
from core.sampling import adaptive
from core.sampling.scored import JudgedShard, known_scores, scores_key
from core.sampling.shards import AnyStore, stored_pieces
from core.spec import UNWEIGHTED


class GoneError(TailscopeError):
    """The store holds the answers no more."""


def row_request(
    spec: AuditSpec,
    model: str,
    query: str,
    manifest: Mapping[str, Any],
    system: str | None = None,
) -> EstimateRequest:
    """Returns what was asked of a model about a query, with the proposals that the audit has used.

    system: the query's own system prompt, None for the audit's.

    Raises:
        SpecError: the manifest does not know the model, or a proposal of this version.
    """
    known = next((one for one in spec.models if one.name == model), None)
    about = _about(manifest, model)
    if known is None:
        raise SpecError(f"the audit has no model {model!r}")
    request = spec.request(known, query, system)
    proposals = tuple(build_proposal(fields) for fields in about.get("proposals", []))
    if not proposals:
        return request
    return request.model_copy(update={"proposal": proposals[0], "companions": proposals[1:]})


def stored_answers(
    request: EstimateRequest,
    manifest: Mapping[str, Any],
    store: AnyStore,
    *,
    planned: int,
    drawn: int,
) -> list[JudgedShard]:
    """Returns the first `drawn` rows of a sample that was to have `planned` rows, as they are stored.

    Raises:
        GoneError: some of them are not in the store.
    """
    found = stored_beginning(request, manifest, store, planned=planned, drawn=drawn)
    if sum(len(shard.drawn) for shard in found) < drawn:
        raise GoneError("these answers are not in the store any more")
    return found


def stored_beginning(
    request: EstimateRequest,
    manifest: Mapping[str, Any],
    store: AnyStore,
    *,
    planned: int,
    drawn: int,
) -> list[JudgedShard]:
    """Returns the rows of a sample up to the first that the store lacks, `drawn` at most.

    planned: how many rows the sample was to have.
    """
    about = _about(manifest, request.model)
    proposals = () if request.method in UNWEIGHTED else tuple(about["proposal_fingerprints"])
    known = Fingerprints(about["fingerprint"], proposals)
    threshold = load_behaviour(request.behaviour).spec.threshold
    state = adaptive.init(sampling_plan(request, known, planned, threshold))
    while (stage := adaptive.next_rows(state)) is not None and stage.start < drawn:
        judged, whole = [], True
        for _, shard in stored_pieces(store, stage.spec, stage.start, min(stage.stop, drawn)):
            if shard is None:
                whole = False
                break
            scores = known_scores(store, scores_key(about["judge"], shard.key), shard)
            judged.append(JudgedShard(shard, scores, stage.number))
        state = adaptive.update(state, judged)
        if not whole:
            break
    return list(state.shards)


def _about(manifest: Mapping[str, Any], model: str) -> dict[str, Any]:
    about = manifest.get("models", {}).get(model)
    if not isinstance(about, dict):
        raise SpecError(f"the audit's manifest does not know the model {model!r}")
    return about
