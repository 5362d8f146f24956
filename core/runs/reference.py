"""The reference risks of shipped queries, from large runs."""

from core.behaviours.load import load_behaviour, load_queries, load_references
from core.runs.request import EstimateRequest
from core.spec import GenerationSpec


def find_reference(request: EstimateRequest) -> float | None:
    """Returns the reference risk of a shipped query under the settings it was measured with, or None."""
    # References were measured under the behaviour's own judge and threshold.
    own = load_behaviour(request.behaviour)
    if request.generation != GenerationSpec() or request.judge is not None or not own.shipped:
        return None
    if request.threshold != own.spec.threshold:
        return None
    references = load_references(request.model, request.behaviour)
    for query in load_queries(request.behaviour):
        if query.text == request.query and query.query_id in references:
            return references[query.query_id].qrisk
    return None
