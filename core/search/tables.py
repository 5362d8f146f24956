"""The data behind the pictures of a search: its surface, and the least variance of each strength."""

import math

import numpy as np
import pandas as pd

from core.search.cross_entropy import Objective, SearchResult

# A strength whose best variance is so many times the least one is marked as too weak or too strong.
POOR_FACTOR = 3.0


def search_layers(result: SearchResult) -> tuple[int | None, ...]:
    """Returns the layers that a search looked at, ascending; (None,) for a kind that has none."""
    layers = {getattr(rung, "layer", None) for rung in result.grid.rungs}
    return tuple(sorted(layers, key=lambda layer: -1 if layer is None else layer))


def layer_rungs(result: SearchResult, layer: int | None) -> list[int]:
    """Returns the places of a layer's rungs, by ascending strength."""
    rungs = result.grid.rungs
    places = [r for r, rung in enumerate(rungs) if getattr(rung, "layer", None) == layer]
    return sorted(places, key=lambda place: rungs[place].strength)


def surface_table(
    result: SearchResult, layer: int | None, alpha: int, objective: Objective
) -> pd.DataFrame:
    """Returns the surface at a layer and a mixing, given by its place: one line a cell.

    Columns: rung (its place in the grid), strength, switch, value, relative_variance, hit_rate.
    """
    grid, values = result.grid, result.values(objective)
    return pd.DataFrame(
        [
            {
                "rung": r,
                "strength": grid.rungs[r].strength,
                "switch": switch,
                "value": float(values[r, alpha, s]),
                "relative_variance": float(result.relative_variance[r, alpha, s]),
                "hit_rate": float(result.hit_rate[r, alpha, s]),
            }
            for r in layer_rungs(result, layer)
            for s, switch in enumerate(grid.switches)
        ]
    )


def strength_profile(result: SearchResult, layer: int | None) -> pd.DataFrame:
    """Returns the least predicted variance of each strength of a layer, over mixings and switches.

    Columns: strength, relative_variance, hit_rate (there), alpha_mix, t_switch, region: "weak" or
    "strong" where the variance is `POOR_FACTOR` times the layer's least and the strength lies below or
    above that one's, "good" elsewhere.
    """
    grid = result.grid
    lines = []
    for r in layer_rungs(result, layer):
        alpha, switch = np.unravel_index(
            int(result.relative_variance[r].argmin()), result.relative_variance[r].shape
        )
        lines.append(
            {
                "strength": grid.rungs[r].strength,
                "relative_variance": float(result.relative_variance[r, alpha, switch]),
                "hit_rate": float(result.hit_rate[r, alpha, switch]),
                "alpha_mix": grid.alphas[int(alpha)],
                "t_switch": grid.switches[int(switch)],
            }
        )
    table = pd.DataFrame(lines)
    best = int(table["relative_variance"].to_numpy().argmin())
    poor = table["relative_variance"] > POOR_FACTOR * table["relative_variance"][best]
    side = np.where(table.index < best, "weak", "strong")
    return table.assign(region=np.where(poor, side, "good"))


def predicted_error(relative_variance: float, draws: int) -> float:
    """Returns the relative standard error that a relative variance of one draw means for so many."""
    return math.sqrt(relative_variance / draws)
