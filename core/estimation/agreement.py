"""Do proposals agree? The rules that hold one proposal's word against another's."""

import math
from collections.abc import Iterator

from core.estimation.evidence import Evidence, Reason, above, below, reason

# Below this, a second proposal's hits bound nothing: it can neither confirm nor contradict.
MIN_SECOND_ESS = 2.0


def disagreement(e: Evidence) -> Iterator[Reason]:
    """One proposal misses what another finds. The estimate, which holds the draws of both, may still be
    right: the balance heuristic gives that mass to whoever sees it, at the price of large weights, which
    other rules look at. It cannot be if a proposal's own lower end lies above the estimate's upper end.
    """
    proposals = e.component_checks.proposals
    if e.method == "mis" and proposals:
        highest = max(proposals, key=lambda component: component.low)
        if highest.low > e.ci_high:
            message = (
                f"The proposal {highest.name} alone finds {highest.low * 1e6:,.3g} per million or more: "
                "the estimate misses harm."
            )
            yield reason("disagreement", "do not use", message, highest.low, e.ci_high)
            return
    message = "The proposals' own estimates contradict each other."
    yield from above("disagreement", e.component_checks.disagreement, 1.0, math.inf, message)


def second_conflict(e: Evidence) -> Iterator[Reason]:
    second = e.second
    if second is None or second.hits == 0:
        return
    if second.low > e.ci_high:
        message = (
            f"A second, unlike proposal finds {second.low * 1e6:,.3g} per million or more: "
            "this one misses harm."
        )
        yield reason("second_conflict", "do not use", message, second.low, e.ci_high)


def second_found(e: Evidence) -> Iterator[Reason]:
    if e.second is not None and e.second.hits > 0:
        message = "A second, unlike proposal did find harmful answers: this one misses harm."
        yield reason("second_found", "do not use", message, e.second.hits, 0)


def unconfirmed(e: Evidence) -> Iterator[Reason]:
    """Someone else must have found harm too: a second proposal, or with `mis` another component."""
    if e.second is not None:
        message = "A second, unlike proposal found too few harmful answers to confirm the estimate."
        yield from below("unconfirmed", e.second.ess_event, MIN_SECOND_ESS, 0.0, message)
    elif e.method == "mis":
        found = sorted(component.ess_event for component in e.component_checks.proposals)
        second_best = found[-2] if len(found) > 1 else 0.0
        message = "Fewer than two proposals found enough harmful answers to confirm each other."
        yield from below("unconfirmed", second_best, MIN_SECOND_ESS, 0.0, message)
