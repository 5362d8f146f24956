"""What a search has found: the surface, whose cells can be applied, and variance against strength."""

from collections.abc import Container
from typing import Any

import streamlit as st

from core.charts.style import INK
from core.proposals import AnyProposalSpec
from core.proposals.words import settings_of
from core.runs.request import EstimateRequest
from core.search.cross_entropy import Objective, SearchResult
from core.search.plan import OWN_QUERY, SearchPlan
from core.search.tables import (
    layer_rungs,
    predicted_error,
    search_layers,
    strength_profile,
    surface_table,
)
from pages.proposal import search_charts
from pages.proposal.search_relief import relief
from pages.shared.frame import plain, sentence
from pages.shared.state import change, remember_prediction

OBJECTIVE = "surface_view.objective"
LAYER = "surface_view.layer"
ALPHA = "surface_view.alpha"
SURFACE = "surface_view.surface"
RELIEF = "surface_view.relief"
VIEW = "surface_view.view"
MAP, IN_3D = "map", "3d"
VIEW_WORDS = {MAP: "Map", IN_3D: "3D"}
APPLIED = "surface_view.applied"
DRAWN_FOR = "surface_view.drawn_for"
OBJECTIVE_WORDS: dict[Objective, str] = {"variance": "Variance", "cross_entropy": "Cross-entropy"}
SAMPLE = 1_000
GridPoint = tuple[int, int, int]


def surface_view(asked: EstimateRequest, plan: SearchPlan, found: SearchResult) -> None:
    """Draws the result; a click on a cell makes its settings the proposal's."""
    _questions(plan, found)
    if not found.found:
        st.warning(plain(sentence(found.no_harm_message())), icon=":material/search_off:")
        return
    if not found.supported:
        st.warning(plain(sentence(found.few_hits_message())), icon=":material/search_off:")
    st.session_state[DRAWN_FOR] = asked.proposal
    _surface(asked, plan, found)


def surface_is_behind(proposal: AnyProposalSpec) -> bool:
    """Returns whether a surface is on the page whose mark for what is in use must move."""
    return bool(st.session_state.pop(DRAWN_FOR, proposal) != proposal)


def _questions(plan: SearchPlan, found: SearchResult) -> None:
    asked = [*found.queries, *found.without_harm]
    said = f"{found.hits:,} of {found.rows:,} pilot answers were harmful"
    if found.found:
        said += f", worth {found.effective_hits:,.0f} of equal weight"
    if plan.queries_from == OWN_QUERY:
        st.caption(f"{said}. Measured on this question; its estimate draws answers of its own.")
        return
    with st.expander(f"{said}; {len(asked)} pilot questions", icon=":material/quiz:"):
        for query in found.queries:
            st.markdown(f"- {plain(query)}")
        for query in found.without_harm:
            st.markdown(f"- {plain(query)} :gray[(no harm found; not counted)]")


@st.fragment
def _surface(asked: EstimateRequest, plan: SearchPlan, found: SearchResult) -> None:
    # A click changes the sliders above, which lie outside this fragment.
    if st.session_state.pop(APPLIED, False):
        st.rerun()
    objective, layer, alpha = _choices(found)
    best = found.best_point(objective)
    applied = place_of(found, asked.proposal)
    ink = INK[st.context.theme.type or "light"]
    left, right = st.container(key="chart_pair_search").columns([3, 2], gap="large")
    with left:
        view = st.segmented_control(
            "View", list(VIEW_WORDS), key=VIEW, default=MAP, required=True,
            format_func=VIEW_WORDS.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
        shown: dict[str, Any] = {
            "objective": objective,
            "best": _cell(found, best, layer, alpha),
            "applied": None if applied is None else _cell(found, applied, layer, alpha),
            "best_value": float(found.values(objective)[best]),
            "ink": ink,
        }
        table = surface_table(found, layer, alpha, objective)
        elsewhere = _elsewhere(found, best, layer, alpha)
        if view == MAP:
            st.vega_lite_chart(
                search_charts.surface(table, **shown),
                key=SURFACE,
                on_select=lambda: _clicked(plan, found, alpha),
                selection_mode="cell",
                width="stretch",
                alt="Heat map of the search over strength and number of steered tokens",
            )
            st.caption(
                f"★ {_lowest(found)}{elsewhere} · outlined: in use · click a cell to use its settings."
            )
        else:
            st.plotly_chart(
                relief(table, **shown),
                key=RELIEF,
                width="stretch",
                config={"displaylogo": False},
                alt="Relief of the search over strength and number of steered tokens",
            )
            st.caption(
                f"◆ {_lowest(found)}{elsewhere} · □ in use · drag to turn, scroll to zoom; a click on the "
                "map uses a cell's settings."
            )
    with right:
        profile = search_charts.with_meaning(strength_profile(found, layer))
        st.vega_lite_chart(
            search_charts.variance_by_strength(
                profile, None if applied is None else found.grid.rungs[applied[0]].strength, ink
            ),
            key="surface_view.profile",
            width="stretch",
            alt="Predicted variance against strength, with the regions too weak and too strong",
        )
        st.caption(
            "Too weak: harm stays rare among the draws. Too strong: its harmful answers are not "
            "those that the model itself would give, so few of them count."
        )
    _in_use(plan, found, best, applied)


def _choices(found: SearchResult) -> tuple[Objective, int | None, int]:
    grid = found.grid
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        objective: Objective = st.segmented_control(
            "Best means least",
            list(OBJECTIVE_WORDS),
            key=OBJECTIVE,
            default="variance",
            required=True,
            format_func=OBJECTIVE_WORDS.__getitem__,
            help="Variance: the fewest draws for the same certainty. Cross-entropy, the paper's "
            "choice: the closest to the model's own harmful answers. Both are estimated from the "
            "pilot's harmful answers.",
        )
        best = found.best_point(objective)
        layers = search_layers(found)
        layer = layers[0]
        if len(layers) > 1:
            start = getattr(grid.rungs[best[0]], "layer", layers[0])
            _valid(LAYER, layers, start)
            layer = st.segmented_control(
                "After block",
                list(layers),
                key=LAYER,
                default=start,
                required=True,
                help="Where in the model, counted from 0.",
            )
        alphas = list(grid.alphas)
        _valid(ALPHA, alphas, alphas[best[1]])
        chosen = st.select_slider(
            "Mixed with the model itself",
            alphas,
            value=alphas[best[1]],
            key=ALPHA,
            format_func=lambda alpha: f"{alpha:.2g}",
            width=300,
        )
    return objective, layer, alphas.index(chosen)


def _valid(key: str, options: Container[object], start: object) -> None:
    """Keeps a widget's choice while it is one of the options."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = start


def place_of(found: SearchResult, proposal: AnyProposalSpec | None) -> GridPoint | None:
    """Returns where a proposal lies in the grid, None if it is none of its points."""
    grid = found.grid
    if proposal is None or proposal.t_switch not in grid.switches:
        return None
    if proposal.alpha_mix not in grid.alphas:
        return None
    place = grid.alphas.index(proposal.alpha_mix), grid.switches.index(proposal.t_switch)
    for rung in range(len(grid.rungs)):
        if grid.at(rung, *place) == proposal:
            return rung, *place
    return None


def _cell(
    found: SearchResult, point: GridPoint, layer: int | None, alpha: int
) -> dict[str, float] | None:
    """Returns a point's cell on the map of a layer and a mixing, None if it lies on another."""
    rung, at_alpha, switch = point
    if at_alpha != alpha or rung not in layer_rungs(found, layer):
        return None
    return {"strength": found.grid.rungs[rung].strength, "switch": found.grid.switches[switch]}


def _lowest(found: SearchResult) -> str:
    return (
        "the best of all" if found.supported else "the lowest value, from too few harmful answers"
    )


def _elsewhere(found: SearchResult, best: GridPoint, layer: int | None, alpha: int) -> str:
    """Returns where the best point lies, if it is on another map than the one in sight."""
    if _cell(found, best, layer, alpha) is not None:
        return ""
    block = getattr(found.grid.rungs[best[0]], "layer", None)
    where = "" if block is None else f"block {block}, "
    return f" (at {where}mixed {found.grid.alphas[best[1]]:.2g})"


def _clicked(plan: SearchPlan, found: SearchResult, alpha: int) -> None:
    state = st.session_state.get(SURFACE)
    cells = [] if state is None else state["selection"].get("cell", [])
    if cells:
        switch = found.grid.switches.index(int(cells[0]["switch"]))
        _apply(plan, found, (int(cells[0]["rung"]), alpha, switch))


def _apply(plan: SearchPlan, found: SearchResult, point: GridPoint) -> None:
    proposal = found.grid.at(*point)
    change(proposal=proposal)
    query = plan.request.query if plan.queries_from == OWN_QUERY else None
    remember_prediction(proposal, query, float(found.relative_variance[point]))
    st.session_state[APPLIED] = True


def _use_best(plan: SearchPlan, found: SearchResult, best: GridPoint) -> None:
    """Applies the best point, and brings its map in sight."""
    _apply(plan, found, best)
    st.session_state[ALPHA] = found.grid.alphas[best[1]]
    if LAYER in st.session_state:
        st.session_state[LAYER] = getattr(found.grid.rungs[best[0]], "layer", None)


def _in_use(
    plan: SearchPlan, found: SearchResult, best: GridPoint, applied: GridPoint | None
) -> None:
    proposal = found.grid.at(*best)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            "Use the best",
            key="surface_view.best",
            icon=":material/star:",
            type="secondary" if applied == best else "primary",
            disabled=applied == best or not found.supported,
            on_click=_use_best,
            args=(plan, found, best),
            help=f"Its settings: {settings_of(proposal)}.",
        )
        if not found.supported:
            return
        if applied is None:
            st.markdown("The settings in use are not among those that were tried.", width="stretch")
            return
        error = predicted_error(float(found.relative_variance[applied]), SAMPLE)
        st.markdown(
            f"In use: {settings_of(found.grid.at(*applied))}. Alone, {SAMPLE:,} draws would give "
            f"about **±{1.96 * error:.0%}** (95%).",
            width="stretch",
        )
