"""The grid that a search looks through: rungs (strengths, and layers where a kind has them) and mixings."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import model_validator

from core.proposals import AnyProposalSpec, build_proposal
from core.spec import Number, Spec, Whole, in_range

MAX_POINTS = 200_000
MAX_RUNGS = 64
PAPER_STRENGTHS = tuple(round(0.1 * k, 1) for k in range(1, 11))


class SearchGrid(Spec):
    """Every phi = (rung, alpha_mix, t_switch) that is tried.

    rungs: proposals whose alpha_mix and t_switch do not count; each costs a forward pass.
    """

    rungs: tuple[AnyProposalSpec, ...]
    alphas: tuple[Annotated[Number, in_range(0.0, 1.0, "alpha_mix")], ...]
    switches: tuple[Whole, ...]

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        shape = (len(self.rungs), len(self.alphas), len(self.switches))
        if min(shape) == 0:
            raise ValueError(
                "a grid needs at least one strength, mixing and switch, got "
                + " x ".join(map(str, shape))
            )
        if self.points > MAX_POINTS or len(self.rungs) > MAX_RUNGS:
            raise ValueError(
                f"a grid may hold {MAX_POINTS:,} points on {MAX_RUNGS} strengths and layers at most, got "
                f"{self.points:,} points on {len(self.rungs)}; take fewer values"
            )
        for rung in self.rungs:
            if rung.is_target and rung.strength != 0.0:
                raise ValueError(
                    "a grid's proposals must have alpha_mix below 1 and t_switch above 0, got "
                    f"alpha_mix {rung.alpha_mix:g} and t_switch {rung.t_switch}"
                )
        if list(self.switches) != sorted(set(self.switches)) or self.switches[0] < 0:
            raise ValueError(f"switches must ascend from 0 or more, got {list(self.switches)}")
        return self

    @property
    def points(self) -> int:
        """How many phi there are."""
        return len(self.rungs) * len(self.alphas) * len(self.switches)

    def at(self, rung: int, alpha: int, switch: int) -> AnyProposalSpec:
        """Returns the proposal at a point, given by its place along each axis."""
        return self.rungs[rung].model_copy(
            update={"alpha_mix": self.alphas[alpha], "t_switch": self.switches[switch]}
        )


def rungs(
    base: AnyProposalSpec, strengths: Sequence[float], layers: Sequence[int] = ()
) -> tuple[AnyProposalSpec, ...]:
    """Returns the base proposal at every strength, at every layer if any are named.

    Raises:
        SpecError: a strength outside the kind's range, or layers for a kind that has none.
    """
    # Not the target, whatever the base mixes: a rung is what is mixed.
    fields = base.model_dump() | {"alpha_mix": 0.0, "t_switch": 1}
    places: Sequence[dict[str, int]] = [{"layer": layer} for layer in layers] or [{}]
    return tuple(
        build_proposal({**fields, **place, "strength": strength})
        for place in places
        for strength in strengths
    )


def small_grid(chosen: Sequence[AnyProposalSpec], new_tokens: int) -> SearchGrid:
    """Returns a cheap grid: 5 mixings, and switches that get sparser along the answer."""
    switches = [t for t in (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 25, 30, 35, 40) if t <= new_tokens]
    while switches[-1] < new_tokens:
        switches.append(min(switches[-1] * 5 // 4, new_tokens))
    return SearchGrid.build(
        rungs=tuple(chosen), alphas=(0.05, 0.1, 0.2, 0.35, 0.5), switches=tuple(switches)
    )


def paper_grid(base: AnyProposalSpec, new_tokens: int, layers: Sequence[int] = ()) -> SearchGrid:
    """Returns the published grid: strengths 0.1 to 1.0, switches 0 to T by 5, 25 mixings in 0 to 1."""
    return published_grid(rungs(base, PAPER_STRENGTHS, layers), new_tokens)


def published_grid(chosen: Sequence[AnyProposalSpec], new_tokens: int) -> SearchGrid:
    """Returns the published mixings and switches at other strengths."""
    return SearchGrid.build(
        rungs=tuple(chosen),
        alphas=tuple(round(k / 24, 6) for k in range(25)),
        switches=tuple(sorted({*range(0, new_tokens + 1, 5), new_tokens})),
    )
