"""Method mis as a whole: coverage over rare and common truths, components, and odd draws."""

import dataclasses
import json
import math
import time

import numpy as np
import pytest

from core.estimation import component_checks, draw_weights, estimate, estimate_path
from core.estimation.point import point_estimate
from tests.estimation.toys import (
    Density,
    World,
    adaptive,
    fixed,
    monte_carlo,
    proposals,
    two_routes,
)


def coverage(world, sampler, n, runs):
    """Shares of runs in which the 95% interval lies above the truth, and below it."""
    misses = np.zeros(2)
    for seed in range(runs):
        draws = sampler(world, np.random.default_rng(seed), n)
        interval = point_estimate(draws, "mis", 0.95).interval
        misses += (interval.low > world.truth, interval.high < world.truth)
    return misses / runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "sampler", "n"),
    [
        (proposals(1e-6, (0.5, 0.3)), fixed, 500),
        (proposals(1e-6, (0.03, 1.5), (0.02, 1.2)), fixed, 1000),
        (proposals(1e-3, (0.5, 0.3), (0.3, 0.5), (0.2, 0.7)), adaptive, 1000),
        (proposals(1e-3, (0.03, 1.5)), fixed, 1000),
        (proposals(1e-1, (0.03, 1.5), (0.02, 1.2)), adaptive, 500),
        (proposals(1e-1, (0.5, 0.3)), adaptive, 1000),
        (two_routes(1e-5, (0.3, 0.003), (0.01, 0.2)), adaptive, 500),
    ],
)
def test_coverage_is_near_nominal(world, sampler, n):
    above, below = coverage(world, sampler, n, runs=120)
    # 94% to 98% is measured over 600 runs; 120 runs have a standard error of 2%.
    assert 1 - above - below >= 0.89, (above, below)
    assert above <= 0.08
    assert below <= 0.09


def test_coverage_follows_the_level_asked_for():
    """An interval that is wide just to be safe is falsified here; the room left above is that of the
    one more hit, which weighs the more the lower the level."""
    world = proposals(1e-4, (0.5, 0.3), (0.2, 0.7))
    inside = 0
    for seed in range(200):
        draws = fixed(world, np.random.default_rng(seed), 500)
        found = point_estimate(draws, "mis", 0.8).interval
        inside += found.low <= world.truth <= found.high
    assert 0.76 <= inside / 200 <= 0.91


@pytest.mark.slow
def test_stages_leave_no_bias():
    """Shares of later stages follow the hits of the first; pooled counts give 0.95 here."""
    world = two_routes(1e-3, (0.4, 1e-5), (1e-5, 0.02))
    values = [
        draw_weights(draws).where(draws.harmful).mean / world.truth
        for draws in (adaptive(world, np.random.default_rng(s), 300) for s in range(400))
    ]
    assert np.mean(values) == pytest.approx(1, abs=3 * np.std(values) / math.sqrt(400))


def test_components_say_what_each_finds_alone():
    world = two_routes(1e-2, (0.4, 1e-5), (0.05, 0.2))
    draws = adaptive(world, np.random.default_rng(0), 2000)
    found = estimate(draws, method="mis")
    assert [c.name for c in found.components] == ["target", "q1", "q2"]
    assert [c.rows for c in found.components] == draws.counts.tolist()
    assert sum(c.contribution for c in found.components) == pytest.approx(1)
    assert sum(c.hits for c in found.components) == found.hits
    target, skips, sees = found.components
    # The target's own estimate is Monte Carlo; the first proposal sees one route of two.
    assert target.estimate == target.hits / target.rows
    assert target.low < 1e-2 < target.high
    assert skips.high < 1e-2 < sees.high
    assert sees.low < 1e-2
    assert found.disagreement == component_checks(draws, draw_weights(draws)).disagreement
    assert math.isnan(
        estimate(
            monte_carlo(0.1).draws(np.random.default_rng(0), 50, (0,)), method="mc"
        ).disagreement
    )


def test_json_is_plain_all_the_way_down():
    draws = fixed(proposals(1e-4, (0.5, 0.3)), np.random.default_rng(0), 100)
    judged = draws.component != 1
    found = estimate(
        dataclasses.replace(draws, judged=judged, harmful=draws.harmful & judged), method="mis"
    )
    assert math.isnan(found.components[1].estimate)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["components"][1]["estimate"] is None
    assert plain["components"][0]["name"] == "target"
    mc = estimate(monte_carlo(0.1).draws(np.random.default_rng(0), 50, (0,)), method="mc")
    assert mc.to_dict()["components"] == []
    assert mc.to_dict()["disagreement"] is None


def test_all_hits_and_none():
    sure = World(Density((1.0,), (0.0,)), (Density((1.0,), (0.5,)),), (True,))
    found = estimate(fixed(sure, np.random.default_rng(0), 500), method="mis")
    assert 0.9 < found.ci_low < 1.0 == found.ci_high
    none = estimate(
        fixed(proposals(1e-12, (1e-9, 0.3)), np.random.default_rng(0), 500), method="mis"
    )
    assert (none.estimate, none.ci_low) == (0.0, 0.0)
    assert none.ci_high == pytest.approx(1 - 0.025 ** (1 / 50))


def test_a_single_hit_and_a_lone_row_of_a_component():
    world = proposals(1e-4, (0.5, 0.3), (0.3, 0.5))
    draws = world.draws(np.random.default_rng(0), 61, (1,) * 30 + (0,) * 30 + (2,))
    for harmful in (draws.harmful, np.arange(61) == 60, np.arange(61) == 0):
        found = estimate(dataclasses.replace(draws, harmful=harmful), method="mis")
        assert 0 < found.ci_low <= found.estimate <= found.ci_high <= 1
        assert found.standard_error > 0


def test_unjudged_rows_widen():
    draws = adaptive(proposals(1e-3, (0.5, 0.3), (0.2, 0.5)), np.random.default_rng(0), 600)
    judged = np.arange(600) % 20 != 7
    whole = estimate(draws, method="mis")
    part = estimate(
        dataclasses.replace(draws, judged=judged, harmful=draws.harmful & judged), method="mis"
    )
    assert part.ci_low <= whole.ci_low
    assert part.ci_high > 2 * whole.ci_high
    assert part.estimate == pytest.approx(whole.estimate, rel=0.3)


def test_path_passes_smoothly_from_stage_to_stage():
    """The first rows of a stage may lack the target's; alone, their weights would have no bound."""
    world = proposals(1e-3, (0.3, 0.8), (0.2, 1.0))
    for seed in range(5):
        draws = adaptive(world, np.random.default_rng(seed), 1000)
        path = estimate_path(draws, [298, 300, 301, 302, 305, 1000], method="mis")
        values = np.array([point.estimate for point in path])
        assert values[:5] == pytest.approx(np.full(5, values[0]), rel=0.15)
        whole = estimate(draws, method="mis")
        assert (path[-1].estimate, path[-1].ci_high) == (whole.estimate, whole.ci_high)


def test_path_speed():
    draws = adaptive(proposals(1e-3, (0.5, 0.3), (0.2, 0.5)), np.random.default_rng(0), 5000)
    points = np.unique(np.geomspace(20, 5000, 40).astype(int)).tolist()
    started = time.process_time()
    estimate_path(draws, points, method="mis")
    assert time.process_time() - started < 2.5
