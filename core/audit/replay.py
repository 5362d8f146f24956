"""An audit's answers, read again from the store: nothing is drawn and no judge is asked."""

from collections.abc import Mapping
from typing import Any

from core.audit.spec import AuditSpec
from core.errors import SpecError, TailscopeError
from core.proposals import build_proposal
from core.runs.request import EstimateRequest, Fingerprints, stages
from core.sampling.scored import JudgedShard, scores_key, stored_scores
from core.sampling.shards import AnyStore, sampling_key, stored_pieces


class GoneError(TailscopeError):
    """The store holds the answers no more."""


def row_request(
    spec: AuditSpec, model: str, query: str, manifest: Mapping[str, Any]
) -> EstimateRequest:
    """Returns what was asked of a model about a query, with the proposals that the audit has used.

    Raises:
        SpecError: the manifest does not know the model, or a proposal of this version.
    """
    known = next((one for one in spec.models if one.name == model), None)
    about = _about(manifest, model)
    if known is None:
        raise SpecError(f"the audit has no model {model!r}")
    request = spec.request(known, query)
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
    about = _about(manifest, request.model)
    proposals = () if request.method == "mc" else tuple(about["proposal_fingerprints"])
    plan = stages(request, Fingerprints(about["fingerprint"], proposals), planned)
    stage = next(plan)
    found: list[JudgedShard] = []
    rows = 0
    while True:
        mine = []
        key = sampling_key(stage.spec)
        for _, shard in stored_pieces(store, key, stage.start, min(stage.stop, drawn)):
            if shard is None:
                raise GoneError("these answers are not in the store any more")
            scores = stored_scores(store, scores_key(about["judge"], shard.key), len(shard))
            mine.append(JudgedShard(shard, scores, stage.number))
            rows += len(shard)
        found += mine
        if rows >= drawn:
            return found
        try:
            stage = plan.send(mine)
        except StopIteration:
            return found


def _about(manifest: Mapping[str, Any], model: str) -> dict[str, Any]:
    about = manifest.get("models", {}).get(model)
    if not isinstance(about, dict):
        raise SpecError(f"the audit's manifest does not know the model {model!r}")
    return about
