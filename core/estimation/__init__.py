"""From draws to an estimate that can be trusted, or says why it cannot."""

from core.estimation.component_checks import ComponentChecks, ComponentEstimate, component_checks
from core.estimation.confidence_sequence import ConfidenceSequence, confidence_sequence
from core.estimation.draws import Draws
from core.estimation.estimate import estimate, estimate_path
from core.estimation.evidence import Reason
from core.estimation.intervals import (
    Interval,
    clopper_pearson,
    clopper_pearson_upper,
    weighted_interval,
)
from core.estimation.joined_draws import concatenate
from core.estimation.optimal_allocation import optimal_shares
from core.estimation.pareto import Khat, khat_threshold, pareto_khat
from core.estimation.record import Estimate, PathPoint
from core.estimation.weights import (
    LogWeights,
    balance_log_weights,
    draw_log_mixture,
    draw_weights,
)

__all__ = [
    "ComponentChecks",
    "ComponentEstimate",
    "ConfidenceSequence",
    "Draws",
    "Estimate",
    "Interval",
    "Khat",
    "LogWeights",
    "PathPoint",
    "Reason",
    "balance_log_weights",
    "clopper_pearson",
    "clopper_pearson_upper",
    "component_checks",
    "concatenate",
    "confidence_sequence",
    "draw_log_mixture",
    "draw_weights",
    "estimate",
    "estimate_path",
    "khat_threshold",
    "optimal_shares",
    "pareto_khat",
    "weighted_interval",
]
