"""What is shown of a search: its cells, its layers, and the best of each strength."""

from __future__ import annotations

import numpy as np
import pytest

from core.proposals import SteerSpec
from core.search.cross_entropy import SearchResult
from core.search.grid import SearchGrid
from core.search.tables import (
    layer_rungs,
    predicted_error,
    search_layers,
    strength_profile,
    surface_table,
)


def search_result() -> SearchResult:
    """Two layers, their rungs out of order; 3 strengths at layer 1, 2 at layer 2."""
    rungs = [(2, 4.0), (1, 3.0), (1, 1.0), (2, 8.0), (1, 9.0)]
    grid = SearchGrid(
        rungs=tuple(SteerSpec(layer=layer, strength=strength) for layer, strength in rungs),
        alphas=(0.0, 0.5),
        switches=(5, 10, 15),
    )
    variance = np.full((5, 2, 3), 100.0)
    variance[1, 1, 2] = 2.0
    variance[2, 0, 0] = 5.0
    return SearchResult(
        effective_hits=50.0,
        grid=grid,
        cross_entropy=np.arange(30, dtype=np.float64).reshape(5, 2, 3),
        relative_variance=variance,
        hit_rate=np.full((5, 2, 3), 0.25),
        queries=("a",),
        without_harm=(),
        rows=10,
        hits=3,
        upper_bound=0.3,
    )


def test_layers_and_their_rungs_come_in_order() -> None:
    found = search_result()
    assert search_layers(found) == (1, 2)
    assert layer_rungs(found, 1) == [2, 1, 4]
    assert layer_rungs(found, 2) == [0, 3]


def test_a_surface_holds_the_cells_of_one_layer_and_mixing() -> None:
    found = search_result()
    table = surface_table(found, 1, 1, "cross_entropy")
    assert table["strength"].tolist() == [1.0] * 3 + [3.0] * 3 + [9.0] * 3
    assert table["switch"].tolist() == [5, 10, 15] * 3
    assert table["value"].tolist() == [15, 16, 17, 9, 10, 11, 27, 28, 29]
    assert surface_table(found, 1, 1, "variance")["value"].tolist() == (
        table["relative_variance"].tolist()
    )


def test_the_profile_takes_the_best_of_each_strength_and_names_the_poor_ones() -> None:
    table = strength_profile(search_result(), 1)
    assert table["relative_variance"].tolist() == [5.0, 2.0, 100.0]
    assert table["alpha_mix"].tolist()[:2] == [0.0, 0.5]
    assert table["t_switch"].tolist()[:2] == [5, 15]
    assert table["region"].tolist() == ["good", "good", "strong"]
    weak = strength_profile(search_result(), 2)
    assert set(weak["region"]) == {"good"}


def test_an_error_falls_with_the_root_of_the_draws() -> None:
    assert predicted_error(4.0, 400) == pytest.approx(0.1)
