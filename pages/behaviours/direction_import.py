"""A direction from a file: what is known of it, and using it in place of the behaviour's own."""

import math
import re
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.behaviours.load import Behaviour
from core.errors import BehaviourError, TailscopeError
from core.models.loading import LoadedModel
from core.proposals import SteerSpec
from core.settings.operator import user_folder
from core.steering.build import built_direction
from core.steering.direction import Direction, DirectionMeta, direction_note, fitted
from core.steering.files import ENDINGS, parse_direction, save_direction
from pages.shared import resources
from pages.shared.frame import plain, sentence, show_error
from pages.shared.state import change, settings

FILE = "behaviour_import.file"
KEPT = "behaviour_import.kept"
ERROR = "behaviour_import.error"
TOLD = "behaviour_import.told"
BLOCK = "behaviour_import.block"
STRENGTH = "behaviour_import.strength"
# Length of the push to begin with, in lengths of the activations: about what searches find best.
START_LENGTH = 1.0


@dataclass(frozen=True, eq=False)
class Imported:
    """A direction as its file has it."""

    name: str
    direction: Direction
    meta: DirectionMeta


def direction_import(behaviour: Behaviour, loaded: LoadedModel) -> None:
    """Draws the upload of a direction and, once there is one, its use."""
    told = st.session_state.pop(TOLD, None)
    if told:
        st.success(plain(told), icon=":material/check:")
    in_use = getattr(settings().proposal, "direction_file", None)
    if in_use is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"In use: a direction from the file **{plain(_short(in_use))}**.")
            if st.button("Back to the behaviour's own", key="behaviour_import.back"):
                change(proposal=None)
                st.rerun()
    with st.expander("Use a direction from a file", icon=":material/upload:"):
        st.file_uploader(
            "A direction's file",
            type=[ending.removeprefix(".") for ending in ENDINGS],
            key=FILE,
            on_change=_taken,
            help="safetensors as Tailscope writes it, or a GGUF control vector of llama.cpp or repeng.",
        )
        if st.session_state.get(ERROR):
            st.error(plain(st.session_state[ERROR]), icon=":material/error:")
        kept: Imported | None = st.session_state.get(KEPT)
        if kept is not None:
            _offer(kept, behaviour, loaded)


def _offer(kept: Imported, behaviour: Behaviour, loaded: LoadedModel) -> None:
    try:
        direction = fitted(kept.direction, kept.meta, loaded)
    except BehaviourError as error:
        show_error(error)
        return
    told = [f"behaviour {kept.meta.behaviour}"] if kept.meta.behaviour else []
    told += [f"read in {kept.meta.model}"] if kept.meta.model else []
    st.markdown(f"**{plain(kept.name)}**" + (f": {plain(', '.join(told))}" if told else ""))
    note = direction_note(kept.meta, loaded)
    if note is not None:
        st.caption(plain(note))
    blocks = [block for block, vector in enumerate(direction.vectors) if vector.any()]
    if len(blocks) < len(direction.vectors):
        st.caption(f"It holds a direction after {len(blocks)} of {len(direction.vectors)} blocks.")
    one, two, three = st.columns([2, 2, 1], vertical_alignment="bottom")
    with one:
        start = _best_block(direction, blocks)
        if st.session_state.get(BLOCK) not in blocks:
            st.session_state[BLOCK] = start
        block = st.selectbox("Push after block", blocks, index=blocks.index(start), key=BLOCK)
    with two:
        strength = st.number_input(
            "Strength",
            min_value=0.0,
            max_value=100.0,
            value=_strength(direction, block, behaviour, loaded),
            step=0.1,
            key=f"{STRENGTH}.{direction.fingerprint}.{block}",
            help="To begin with: a push as long as the activations are. The search on the Proposal page "
            "finds a better one.",
        )
    with three:
        if st.button("Use it", type="primary", key="behaviour_import.use", width="stretch"):
            _use(kept, block, strength, loaded)


def _best_block(direction: Direction, blocks: list[int]) -> int:
    """Returns where the file says the sides lie furthest apart, or the middle if it says nothing."""
    known = [block for block in blocks if math.isfinite(direction.separation[block])]
    if known:
        return max(known, key=lambda block: float(direction.separation[block]))
    return blocks[len(blocks) // 2]


def _strength(direction: Direction, block: int, behaviour: Behaviour, loaded: LoadedModel) -> float:
    """Returns a strength whose push is as long as the activations, where their length is known."""
    if math.isfinite(direction.activation_norm[block]):
        return direction.strength_of(block, START_LENGTH)
    own = None
    if behaviour.pairs:
        own = built_direction(loaded, behaviour.pairs, behaviour.spec.direction)
    if own is None:
        return 1.0
    like = Direction(direction.position, direction.vectors, own.activation_norm, own.separation)
    return like.strength_of(block, START_LENGTH)


def _use(kept: Imported, block: int, strength: float, loaded: LoadedModel) -> None:
    """Keeps the file among the user's own, and makes it the session's proposal."""
    start = resources.default_proposal(loaded, settings().behaviour)
    try:
        path = _path(kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_direction(path, kept.direction, kept.meta)
        proposal = SteerSpec.build(
            layer=block,
            strength=strength,
            alpha_mix=start.alpha_mix,
            t_switch=start.t_switch,
            direction=kept.direction.position,
            direction_file=str(path),
        )
    except OSError as error:
        show_error(BehaviourError(f"{str(error.filename)!r} cannot be written: {error.strerror}"))
        return
    except TailscopeError as error:
        show_error(error)
        return
    change(proposal=proposal)
    st.session_state[TOLD] = f"{kept.name} is in use: the Proposal page shows what it does."
    st.rerun()


def _path(kept: Imported) -> Any:
    """Returns where a file is kept: under a name that changes with its content."""
    stem = re.sub(r"[^a-z0-9]+", "-", kept.name.rpartition(".")[0].lower()).strip("-")[:40]
    name = f"{stem or 'direction'}-{kept.direction.fingerprint[:8]}.safetensors"
    return user_folder().absolute() / "directions" / name


def _short(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _taken() -> None:
    given: Any = st.session_state.get(FILE)
    for key in (ERROR, KEPT, BLOCK):
        st.session_state.pop(key, None)
    if given is None:
        return
    try:
        st.session_state[KEPT] = Imported(
            given.name, *parse_direction(given.getvalue(), given.name)
        )
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
