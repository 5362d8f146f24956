"""The kind of proposal, and the settings that only one kind has: its texts, or its layer and tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from core.errors import SpecError, TailscopeError
from core.glossary import meaning
from core.models.loading import LoadedModel
from core.proposals import KINDS, AnyProposalSpec, DirectedSpec, kind_of
from core.proposals.kind import TextField, TextForm
from core.runs.request import EstimateRequest
from core.spec import DirectionPosition, SteeredPositions
from pages.shared import resources
from pages.shared.frame import plain, show_error
from pages.shared.proposal_words import DIRECTION_WORDS, POSITION_WORDS
from pages.shared.state import change, settings

KIND = "proposal_kinds.kind"
SEEN = "proposal_kinds.seen"
KEPT = "proposal_kinds.kept"
START_ALPHA = 0.05
AREA_HEIGHT = 68


def kind_picker(request: EstimateRequest) -> str:
    """Draws the choice of kind and returns it. The proposal follows, unless it must be named first."""
    proposal = request.proposal
    assert proposal is not None
    if KIND not in st.session_state or st.session_state.get(SEEN) != proposal.kind:
        st.session_state[KIND] = proposal.kind
    st.session_state[SEEN] = proposal.kind
    kind: str = st.segmented_control(
        "Kind of proposal",
        list(KINDS),
        key=KIND,
        default=proposal.kind,
        format_func=lambda name: KINDS[name].words.label,
        required=True,
        on_change=_kind_changed,
        args=(request,),
        help=meaning("proposal"),
    )
    st.caption(KINDS[kind].words.help)
    return kind


def _kept(request: EstimateRequest) -> dict[str, AnyProposalSpec]:
    """Returns each kind's last proposal for this model and behaviour: switching kinds loses nothing."""
    everything = st.session_state.setdefault(KEPT, {})
    kept: dict[str, AnyProposalSpec] = everything.setdefault((request.model, request.behaviour), {})
    # Sliders have moved since, perhaps: they redraw only their own part of the page.
    current = settings().proposal
    if current is not None:
        kept[current.kind] = current
    return kept


def _kind_changed(request: EstimateRequest) -> None:
    name = st.session_state.get(KIND)
    if name is None:
        return
    proposal = _kept(request).get(name) or start_of(name, request)
    if proposal is not None:
        change(proposal=proposal)


def start_of(name: str, request: EstimateRequest) -> AnyProposalSpec | None:
    """Returns where a kind starts; None if its form must be filled in first."""
    default = resources.default_proposal(resources.model_of(request), request.behaviour)
    return KINDS[name].start(default, request.behaviour, _common(request))


def _common(request: EstimateRequest) -> dict[str, Any]:
    return {"alpha_mix": START_ALPHA, "t_switch": request.generation.max_new_tokens}


def kind_form(name: str, request: EstimateRequest) -> bool:
    """Draws the kind's form, if it has one; returns whether the proposal in use is of this kind.

    What cannot be used leaves the proposal before in place.
    """
    current = request.proposal
    ready = current is not None and current.kind == name
    form = KINDS[name].form
    if form is None:
        return ready
    with st.form(f"proposal_kinds.{name}"):
        fields = _typed(name, form, request)
    if fields is not None:
        _use(name, fields, request)
    if not ready and current is not None:
        st.info(
            f"Until then “{plain(kind_of(current).short(current))}” stays in use.",
            icon=":material/info:",
        )
    return ready


def _typed(name: str, form: TextForm, request: EstimateRequest) -> dict[str, object] | None:
    """Draws a form; returns the spec's fields once it is applied and complete."""
    current = request.proposal
    shown = current if current is not None and current.kind == name else None
    texts = {field.name: _text(field, shown, request) for field in form.fields}
    if not st.form_submit_button("Apply"):
        return None
    try:
        return form.read(texts)
    except SpecError as error:
        show_error(error)
        return None


def _text(field: TextField, shown: AnyProposalSpec | None, request: EstimateRequest) -> str:
    start = (
        field.start(request.model, request.behaviour)
        if shown is None
        else getattr(shown, field.name) or ""
    )
    if field.lines > 1:
        text = st.text_area(
            field.label,
            value=start,
            height=AREA_HEIGHT,
            placeholder=field.placeholder,
            help=field.help,
        )
    else:
        text = st.text_input(
            field.label, value=start, placeholder=field.placeholder, help=field.help
        )
    return text or ""


def _use(name: str, fields: dict[str, object], request: EstimateRequest) -> None:
    """Makes the proposal the session's once a few answers could be drawn from it."""
    before = _kept(request).get(name)
    common = _common(request)
    if before is not None:
        common = {
            shared: getattr(before, shared) for shared in ("strength", "alpha_mix", "t_switch")
        }
    try:
        proposal = KINDS[name].spec.build(**{**common, **fields})
        with st.spinner("Drawing a few answers from it ..."):
            resources.previewed(request.model_copy(update={"proposal": proposal}).model_dump_json())
    except TailscopeError as error:
        show_error(error)
        return
    change(proposal=proposal)
    st.rerun()


def layer_form(loaded: LoadedModel, proposal: DirectedSpec, separation: Sequence[float]) -> None:
    """Draws the choice of layer and positions; it takes effect when applied."""
    if proposal.direction_file is not None:
        st.caption(
            f"The direction is that of the file {plain(Path(proposal.direction_file).name)}."
        )
    with st.form("proposal_kinds.where", border=False):
        layers = list(range(len(loaded.blocks)))
        layer = st.selectbox(
            kind_of(proposal).words.layer,
            layers,
            index=min(proposal.layer, len(layers) - 1),
            format_func=lambda number: f"{number}  (separation {separation[number]:.1f})",
            help=f"{meaning('layer')} Separation: {meaning('separation')}",
        )
        directions = get_args(DirectionPosition)
        direction = st.selectbox(
            "Direction read from the",
            directions,
            index=directions.index(proposal.direction),
            format_func=DIRECTION_WORDS.__getitem__,
            help=meaning("direction"),
        )
        places = get_args(SteeredPositions)
        positions = st.selectbox(
            "Change the tokens of",
            places,
            index=places.index(proposal.positions),
            format_func=POSITION_WORDS.__getitem__,
        )
        if st.form_submit_button("Apply", width="stretch"):
            changed = {"layer": layer, "direction": direction, "positions": positions}
            change(proposal=type(proposal).build(**{**proposal.model_dump(), **changed}))
            st.rerun()
    if st.button(
        "Back to the measured default", width="stretch", disabled=settings().proposal is None
    ):
        change(proposal=None)
        st.rerun()
