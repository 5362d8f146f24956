"""Every kind of proposal, alone and several in one stream, against the enumerated truth to 1e-10."""

from pathlib import Path

import numpy as np
import pytest

from core.estimation.weights import balance_log_weights
from core.proposals import build_proposal
from core.sampling.shards import draw_rows
from core.sampling.spec import SamplingSpec
from core.spec import GenerationSpec
from tests.exactness.kinds import (
    CASES,
    Case,
    ablate,
    adapter,
    arm_of,
    checkpoint,
    context,
    ready,
    steer,
)
from tests.exactness.toy import HARMFUL, LOADED, QUERY, STEPS, Setting, brute_force
from tests.exactness.under_test import chi_square_excess, densities, draw

SETTINGS = [
    Setting(alpha_mix=0.1, t_switch=2),
    Setting(alpha_mix=0.0, t_switch=STEPS),
    Setting(temperature=1.4, top_k=4, top_p=0.9, alpha_mix=0.3, t_switch=3, repetition_penalty=1.4),
]


def check(case: Case, setting: Setting) -> None:
    """The densities are those of brute force, and the weighted hits' expectation is the risk."""
    p, q = brute_force(setting, case.logits)
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.abs(p - q).sum() > 0.02, "the proposal must differ from the target"
    arm = arm_of(case.spec(setting.alpha_mix, setting.t_switch))
    assert arm is not None
    log_p, (log_q,) = densities([arm], [setting])
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(np.exp(log_q), q, rtol=1e-10, atol=1e-14)
    reached = q > 0
    columns, counts = log_q[reached, None], np.array([10])
    weights = np.exp(balance_log_weights(log_p[reached], columns, counts).values)
    risk = p[HARMFUL].sum()
    assert abs((q * HARMFUL)[reached] @ weights - risk) < 1e-10
    assert abs(q[reached] @ weights - 1.0) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_kind(case: Case, setting: Setting) -> None:
    check(case, setting)


@pytest.mark.parametrize("strength", [1.0, 0.5, 1.5])
def test_an_adapter(strength: float, tmp_path: Path) -> None:
    case = adapter(tmp_path / "lora", strength)
    for setting in SETTINGS:
        check(case, setting)


def switched(t_switch: int, alpha_mix: float = 0.1, **generation: float) -> Setting:
    return Setting(alpha_mix=alpha_mix, t_switch=t_switch, **generation)


TOGETHER = {
    "one model, two contexts": (
        [steer(0.75, "answer"), ablate(1.0, "both"), context(1.0, system=True, prefix=True)],
        [switched(1), switched(4, 0.0), switched(3, 0.3)],
    ),
    "blended, on two models": (
        [context(0.5, system=False, prefix=True), checkpoint(0.5, "wider"), steer(0.75, "both")],
        [switched(3), switched(1, 0.2), switched(2)],
    ),
    "truncated": (
        [checkpoint(1.0, "narrower"), ablate(0.5, "answer"), context(1.5, True, False)],
        [
            switched(t, a, temperature=0.8, top_k=5, top_p=0.95)
            for t, a in ((2, 0.1), (3, 0.4), (4, 0.0))
        ],
    ),
}
SHARES = np.array([0.1, 0.4, 0.3, 0.2])  # of the target, and of each proposal


@pytest.mark.slow
@pytest.mark.parametrize("name", TOGETHER)
def test_several_kinds_in_one_stream(name: str, tmp_path: Path) -> None:
    """Each column is its own brute force, and the balance heuristic's expectation is the risk."""
    cases, settings = TOGETHER[name]
    check_together([*cases, adapter(tmp_path / "lora", 1.0)], [*settings, settings[0]])


def check_together(cases: list[Case], settings: list[Setting]) -> None:
    specs = [
        case.spec(setting.alpha_mix, setting.t_switch)
        for case, setting in zip(cases, settings, strict=True)
    ]
    log_p, log_q = densities([arm_of(spec) for spec in specs], settings)
    true = [brute_force(s, case.logits) for case, s in zip(cases, settings, strict=True)]
    p = true[0][0]
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-10, atol=1e-14)
    for own, (_, q) in zip(log_q, true, strict=True):
        np.testing.assert_allclose(np.exp(own), q, rtol=1e-10, atol=1e-14)
    counts = np.arange(1, len(cases) + 2) * 10
    columns = np.vstack([log_p, log_q]).T
    drawn = counts / counts.sum() @ np.vstack([p, *(q for _, q in true)])
    reached = drawn > 0
    weights = np.exp(balance_log_weights(log_p[reached], columns[reached], counts).values)
    assert abs((drawn * HARMFUL)[reached] @ weights - p[HARMFUL].sum()) < 1e-10


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "steer", "strength": 0.0, "layer": 1},
        {"kind": "ablate", "strength": 0.0, "layer": 1},
        {"kind": "context", "strength": 0.0, "answer_prefix": "w4"},
        {"kind": "checkpoint", "strength": 0.0, "model": "wider"},
    ],
    ids=lambda fields: fields["kind"],
)
def test_strength_zero_is_the_target_exactly(fields: dict[str, object]) -> None:
    """Its column equals the target's bit for bit, beside a proposal whose column does not."""
    specs = (build_proposal(fields), context(1.0, system=True, prefix=False).spec(0.1, 3))
    spec = SamplingSpec(
        model_fingerprint=LOADED.fingerprint,
        query=QUERY,
        generation=GenerationSpec(max_new_tokens=STEPS, top_p=0.9),
        proposals=tuple(spec.model_copy(update={"t_switch": 3}) for spec in specs),
        fingerprints=("", ""),
        shares=(0.2, 0.4, 0.4),
    )
    rows = draw_rows(LOADED, spec, range(60), [ready(one) for one in spec.proposals]).rows
    np.testing.assert_array_equal(rows.log_q[0], rows.log_p)
    assert np.abs(rows.log_q[1] - rows.log_p).max() > 0.1


def test_each_component_draws_from_its_own_density() -> None:
    """Several components share places and cells of the batch; each one's draws follow its own q."""
    cases, settings = TOGETHER["one model, two contexts"]
    arms = [arm_of(c.spec(s.alpha_mix, s.t_switch)) for c, s in zip(cases, settings, strict=True)]
    count = 24_000
    component = np.random.default_rng(3).choice(4, size=count, p=SHARES)
    rows, drawn = draw(arms, settings, count, seed=9, component=component)
    true = [brute_force(s, case.logits) for case, s in zip(cases, settings, strict=True)]
    own = [true[0][0], *(q for _, q in true)]
    for number, q in enumerate(own):
        assert chi_square_excess(drawn[component == number], q) < 4
        others = [chi_square_excess(drawn[component == number], other) for other in own]
        assert int(np.argmin(others)) == number, "another component's density must fit worse"
    counts = np.bincount(component, minlength=4)
    columns = np.vstack([rows.log_p.sum(1)[None], rows.log_q.sum(2)]).T
    weights = np.exp(balance_log_weights(columns[:, 0], columns, counts).values)
    weighted = weights * HARMFUL[drawn]
    risk = true[0][0][HARMFUL].sum()
    assert abs(weighted.mean() - risk) < 4 * weighted.std() / np.sqrt(count)
