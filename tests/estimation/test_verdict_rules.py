"""Each rule alone: evidence that is fine but for one number, on either side of the rule's limits."""

import math
from dataclasses import replace

import pytest

from core.estimation import Khat
from core.estimation.component_checks import ComponentChecks, ComponentEstimate
from core.estimation.diagnostics import Diagnostics
from core.estimation.verdict import Evidence, verdict

FINE_DIAGNOSTICS = Diagnostics(
    samples=1000,
    ess=400.0,
    ess_event=200.0,
    ess_event_expected=180.0,
    max_weight_share=0.01,
    max_weight_share_event=0.02,
    mean_weight=1.01,
    mean_weight_error=0.02,
    khat=Khat(0.3, 90),
    khat_event=Khat(0.3, 60),
    khat_limit=0.67,
)
FINE_WITNESSES = ComponentChecks(
    target_rows=100,
    target_hits=0,
    proposal_rows=900,
    proposal_hits=300,
    target_conflict=0.9,
    kl=1.5,
    overlap=0.3,
    blind_share=0.05,
    blind_hits=0,
    blind_hit_share=0.0,
    proposal_mean_weight=0.97,
    proposal_mean_weight_high=1.1,
    components=(),
    disagreement=0.8,
)
FINE = Evidence(
    method="is",
    samples=1000,
    unjudged=0,
    hits=300,
    estimate=1e-4,
    sampling_low=0.8e-4,
    sampling_high=1.2e-4,
    ci_low=0.8e-4,
    ci_high=1.2e-4,
    diagnostics=FINE_DIAGNOSTICS,
    component_checks=FINE_WITNESSES,
)
DIAGNOSED = {field for field in FINE_DIAGNOSTICS.__dataclass_fields__ if field != "samples"}


def evidence(**changes):
    diagnosed = {k: v for k, v in changes.items() if k in DIAGNOSED}
    witnessed = {k: v for k, v in changes.items() if hasattr(FINE_WITNESSES, k)}
    rest = {k: v for k, v in changes.items() if k not in diagnosed and k not in witnessed}
    return replace(
        FINE,
        diagnostics=replace(FINE_DIAGNOSTICS, **diagnosed),
        component_checks=replace(FINE_WITNESSES, **witnessed),
        **rest,
    )


def test_fine_evidence_is_trusted():
    assert verdict(FINE) == ("trust", ())


@pytest.mark.parametrize(
    ("code", "fine", "doubtful", "bad"),
    [
        ("few_hits", {"ess_event": 15.0}, {"ess_event": 14.9}, {"ess_event": 2.9}),
        ("spread_weights", {"ess_event_expected": 15.0}, {"ess_event_expected": 14.0}, None),
        (
            "wide_interval",
            {"sampling_high": 2.39e-4, "ci_high": 2.39e-4},
            {"sampling_high": 2.41e-4, "ci_high": 2.41e-4},
            {"sampling_high": 81e-4, "ci_high": 81e-4},
        ),
        (
            "mean_weight",
            {"mean_weight": 1.079},
            {"mean_weight": 1.081},
            {"mean_weight": 0.69},
        ),
        (
            "khat",
            {"khat_event": Khat(0.66, 60)},
            {"khat_event": Khat(0.68, 60)},
            {"khat_event": Khat(1.01, 60)},
        ),
        (
            "largest_share",
            {"max_weight_share_event": 0.2},
            {"max_weight_share_event": 0.21},
            {"max_weight_share_event": 0.51},
        ),
        ("no_target_rows", {"target_rows": 1}, {"target_rows": 0}, None),
        ("overlap", {"overlap": 0.05}, {"overlap": 0.049}, {"overlap": 0.009}),
        ("blind_share", {"blind_share": 0.25}, {"blind_share": 0.26}, {"blind_share": 0.76}),
        ("divergence", {"kl": 6.8}, {"kl": 6.9}, None),
        (
            "unvisited_mass",
            {"proposal_mean_weight_high": 0.9991},
            {"proposal_mean_weight_high": 0.998},
            {"proposal_mean_weight_high": 0.49},
        ),
        (
            "target_conflict",
            {"target_conflict": 0.02},
            {"target_conflict": 0.019},
            {"target_conflict": 0.9e-3},
        ),
        (
            "blind_hits",
            {"blind_hit_share": 0.1, "blind_hits": 1},
            {"blind_hit_share": 0.6, "blind_hits": 10},
            {"blind_hit_share": 0.51, "blind_hits": 9},
        ),
        ("disagreement", {"disagreement": 1.0}, {"disagreement": 1.01}, None),
        ("unjudged", {"unjudged": 20}, {"unjudged": 21}, {"unjudged": 201}),
        ("unjudged_weight", {"ci_high": 1.79e-4}, {"ci_high": 1.81e-4}, None),
    ],
)
def test_limits_of_each_rule(code, fine, doubtful, bad):
    assert verdict(evidence(**fine)) == ("trust", ())
    decision, reasons = verdict(evidence(**doubtful))
    assert decision == "caution"
    assert [reason.code for reason in reasons] == [code]
    if bad is not None:
        decision, reasons = verdict(evidence(**bad))
        assert decision == "do not use"
        assert [reason.code for reason in reasons] == [code]


def test_a_mean_weight_off_within_its_error_is_fine():
    assert verdict(evidence(mean_weight=1.3, mean_weight_error=0.1)) == ("trust", ())


def test_numbers_that_do_not_exist_break_no_rule():
    missing = {"kl": math.nan, "overlap": math.nan, "blind_share": math.nan}
    assert verdict(evidence(**missing, khat_event=Khat(math.nan, 0))) == ("trust", ())


def test_monte_carlo_is_not_asked_about_proposals():
    found = evidence(overlap=0.0, mean_weight=3.0, target_conflict=0.0)
    assert verdict(replace(found, method="mc")) == ("trust", ())
    # Its interval is exact, so few hits and a wide interval stay a caution.
    few = replace(evidence(ess_event=1.0), method="mc", hits=1, sampling_low=1e-6)
    decision, reasons = verdict(few)
    assert decision == "caution"
    assert {reason.code for reason in reasons} == {"few_hits", "wide_interval"}


def test_the_worst_reason_comes_first_and_decides():
    decision, reasons = verdict(evidence(kl=8.0, overlap=0.001))
    assert decision == "do not use"
    assert [reason.code for reason in reasons] == ["overlap", "divergence"]


def test_infinite_values_are_plain_in_reasons():
    _, reasons = verdict(evidence(kl=math.inf))
    assert reasons[0].value is None


def component(name, ess_event=20.0, low=0.5e-4, high=2e-4, is_target=False):
    return ComponentEstimate(
        name=name,
        rows=300,
        hits=50,
        mean_weight=1.0,
        mean_weight_error=0.1,
        estimate=1e-4,
        low=low,
        high=high,
        ess_event=ess_event,
        contribution=0.4,
        is_target=is_target,
    )


TARGET = component("target", ess_event=50.0, low=0.0, high=0.05, is_target=True)


def mixture(*components, **changes):
    return replace(evidence(components=(*components, TARGET), **changes), method="mis")


def test_a_mixture_is_confirmed_by_its_second_best_proposal():
    assert verdict(mixture(component("a"), component("b", ess_event=2.0))) == ("trust", ())
    for alone in (
        mixture(component("a"), component("b", ess_event=1.9)),
        mixture(component("a")),
    ):
        decision, reasons = verdict(alone)
        assert decision == "caution"
        # The target's hits confirm nothing: it is no proposal.
        assert [reason.code for reason in reasons] == ["unconfirmed"]
    assert verdict(evidence(components=(component("a"), TARGET))) == ("trust", ())


def test_proposals_of_a_mixture_that_disagree():
    """Above the other's interval: caution. Above the estimate's own: it cannot be right either."""
    above_other = mixture(component("a"), component("b"), disagreement=1.5)
    assert verdict(above_other)[0] == "caution"
    high = component("b", low=1.21e-4)
    decision, reasons = verdict(mixture(component("a"), high, disagreement=1.5))
    assert decision == "do not use"
    assert [reason.code for reason in reasons] == ["disagreement"]
    assert "b alone finds 121 per million or more" in reasons[0].message
    assert reasons[0].threshold == 1.2e-4


def test_a_heavy_tail_of_a_mixture_is_a_caution():
    heavy = mixture(component("a"), component("b"), khat_event=Khat(1.2, 60))
    decision, reasons = verdict(heavy)
    assert decision == "caution"
    assert [reason.code for reason in reasons] == ["khat"]
