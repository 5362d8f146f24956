"""Worlds whose truth is known exactly, to draw from by the thousand without a model.

An answer is a class and a number z. Under the target and under a proposal, a class has a
probability, and z given the class is normal with variance 1 and a mean of its own. So harmful mass,
weights (log-normal within a class, sigma = the shift of the mean) and overlap are closed forms.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from core.estimation.draws import Draws
from core.estimation.joined_draws import concatenate
from core.estimation.optimal_allocation import optimal_shares


@dataclass(frozen=True)
class Density:
    """Class probabilities and the mean of z in each class."""

    mass: tuple[float, ...]
    shift: tuple[float, ...]

    def log(self, kind, z):
        mass, shift = np.asarray(self.mass), np.asarray(self.shift)
        with np.errstate(divide="ignore"):
            return np.log(mass)[kind] - 0.5 * (z - shift[kind]) ** 2

    def draw(self, rng, n):
        mass = np.asarray(self.mass)
        kind = rng.choice(len(mass), size=n, p=mass / mass.sum())
        return kind, rng.normal(np.asarray(self.shift)[kind], 1.0)


@dataclass(frozen=True)
class World:
    """A target, proposals, and which classes are harmful."""

    target: Density
    proposals: tuple[Density, ...]
    harmful: tuple[bool, ...]
    truth: float = field(init=False)

    def __post_init__(self):
        truth = sum(m for m, h in zip(self.target.mass, self.harmful, strict=True) if h)
        object.__setattr__(self, "truth", truth)

    def draws(self, rng, n, allocation=(0, 1, 1, 1, 1, 1, 1, 1, 1, 1), judged=None):
        """Rows i drawn by component allocation[i % period]; component 0 is the target."""
        components = (self.target, *self.proposals)
        component = np.resize(allocation, n)
        kind, z = np.zeros(n, dtype=np.int64), np.zeros(n)
        for j, density in enumerate(components):
            rows = component == j
            kind[rows], z[rows] = density.draw(rng, int(rows.sum()))
        judged = np.ones(n, dtype=bool) if judged is None else judged
        log_q = np.stack([density.log(kind, z) for density in components], axis=1)
        return Draws(
            log_p=log_q[:, 0],
            log_q=log_q,
            component=component,
            component_names=tuple(["target"] + [f"q{j}" for j in range(1, len(components))]),
            target_component=0,
            harmful=np.asarray(self.harmful)[kind] & judged,
            judged=judged,
            stage_allocations=(np.bincount(allocation, minlength=len(components)),),
        )


def good(truth=1e-4, hit_rate=0.35, event_shift=0.7, rest_shift=1.5):
    """A working proposal: overlap 0.36, divergence 1.5 nats, log-normal event weights."""
    return World(
        Density((1 - truth, truth), (0.0, 0.0)),
        (Density((1 - hit_rate, hit_rate), (rest_shift, event_shift)),),
        (False, True),
    )


def trap():
    """Most harm (1.2e-3) by route A, which q takes once in 1e9; its hits (28%) are on route B."""
    return World(
        Density((1 - 1.2e-3 - 2.4e-6 - 1e-9, 1.2e-3, 2.4e-6, 1e-9), (0.0,) * 4),
        (Density((1e-9, 1e-9, 0.28, 0.72), (0.0, 0.0, 0.5, 0.0)),),
        (False, True, True, False),
    )


def partial_trap(skipped=0.3):
    """As the trap, but q covers refusals; it skips openings that hold `skipped` of the target."""
    return World(
        Density((1 - skipped - 2.4e-6, skipped - 1.2e-3, 1.2e-3, 2.4e-6), (0.0,) * 4),
        (Density((0.72, 1e-9, 1e-9, 0.28), (0.0, 0.0, 0.0, 0.5)),),
        (False, False, True, True),
    )


def monte_carlo(truth):
    return World(Density((1 - truth, truth), (0.0, 0.0)), (), (False, True))


def proposals(truth, *events, rest_shift=1.0):
    """Several proposals as in `good`, each given by (hit rate, event shift)."""
    densities = (Density((1 - rate, rate), (rest_shift, shift)) for rate, shift in events)
    return World(Density((1 - truth, truth), (0.0, 0.0)), tuple(densities), (False, True))


def two_routes(truth, *shares, shift=0.5):
    """Half of the harm by each of two routes; a proposal is given by its shares of the routes."""
    target = Density((1 - truth, truth / 2, truth / 2), (0.0,) * 3)
    densities = (Density((1 - a - b, a, b), (1.0, shift, shift)) for a, b in shares)
    return World(target, tuple(densities), (False, True, True))


def interleaved(shares, period=20):
    """A period of rows spread over the components by `shares`, each component's evenly."""
    exact = np.asarray(shares) * period
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: period - counts.sum()]] += 1
    places = [(np.arange(count) + 0.5) / count for count in counts if count]
    component = np.repeat(np.arange(len(counts)), counts)
    return component[np.argsort(np.concatenate(places), kind="stable")]


def fixed(world, rng, n):
    """A tenth from the target, the rest evenly from the proposals."""
    others = len(world.proposals)
    return world.draws(rng, n, interleaved([0.1] + [0.9 / others] * others))


def adaptive(world, rng, n, stages=(0.3, 0.3, 0.4), target_floor=0.1, floor=0.1):
    """Even shares first, then in each stage the shares that the stages before it call for."""
    components = len(world.proposals) + 1
    floors = np.array([target_floor] + [floor] * (components - 1))
    ends = np.round(np.cumsum(stages) * n).astype(int)
    shares, parts = np.full(components, 1 / components), []
    for size in np.diff(ends, prepend=0):
        parts.append(world.draws(rng, size, interleaved(shares)))
        shares = optimal_shares(in_stages(parts), floors)
    return in_stages(parts)


def in_stages(parts):
    """Draws one after the other, each a stage of its own."""
    allocations = tuple(part.stage_allocations[0] for part in parts)
    return concatenate(
        replace(part, stage=np.full(part.samples, number), stage_allocations=allocations)
        for number, part in enumerate(parts)
    )
