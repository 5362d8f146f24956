"""The direction of a behaviour in the model that is loaded: building it, what it is, taking it away."""

import streamlit as st

from core.behaviours.load import Behaviour
from core.charts import layers
from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec
from core.runs.defaults import known_default
from core.search.pilot import BuiltDirection, build_name, build_steps
from core.steering.build import built_direction
from core.steering.direction import Direction, DirectionMeta
from core.steering.files import direction_bytes
from core.steering.gguf_file import HOW_TO_INSTALL, gguf_installed
from core.tasks import Registry, Task
from pages.behaviours.direction_import import direction_import
from pages.shared import resources
from pages.shared.frame import plain, sentence
from pages.shared.paid_judges import is_paid
from pages.shared.state import change, settings

POLL_SECONDS = 0.7
AGREED = "behaviour_direction.agreed"
# By whether settings are known, and whether the direction is built.
START_WORDS = {
    (False, False): "Build the direction",
    (False, True): "Search for its settings",
    (True, False): "Show how blocks compare",
    (True, True): "Show how blocks compare",
}


BuildTask = Task[None, BuiltDirection]


@st.cache_resource(show_spinner=False)
def build_tasks() -> Registry[None, BuiltDirection]:
    """Returns the directions of this process that are being built."""
    return Registry()


def direction_view(behaviour: Behaviour) -> None:
    """Draws the direction for the session's model. Raises: as loading the model does."""
    loaded = resources.model_of(settings())
    if not behaviour.pairs:
        st.info(
            "A direction is read from contrast pairs, and this behaviour has none. One from a file can "
            "be used.",
            icon=":material/info:",
        )
        direction_import(behaviour, loaded)
        return
    measured = known_default(loaded, settings().behaviour, resources.store())
    found = built_direction(loaded, behaviour.pairs, behaviour.spec.direction)
    task = build_tasks().get(build_name(loaded, behaviour))
    running = task is not None and task.running
    if measured is not None:
        _measured(loaded, measured)
    if running or measured is None or found is None:
        _build(loaded, behaviour, measured, task)
    if task is not None and (error := task.snapshot().error):
        st.error(plain(sentence(error)), icon=":material/error:")
    if found is not None and not running:
        _found(loaded, behaviour, found, measured)
    direction_import(behaviour, loaded)


def _measured(loaded: LoadedModel, proposal: AnyProposalSpec) -> None:
    """Draws the settings that a search has found best."""
    with st.container(border=True):
        st.markdown(f"**Best settings for {plain(loaded.name)}**, by a search on pilot questions")
        st.markdown(plain(sentence(in_words(proposal))))
        with st.container(horizontal=True, vertical_alignment="center"):
            used = settings().proposal in (None, proposal)
            if st.button(
                "Use it",
                key="behaviour_direction.use",
                type="primary",
                icon=":material/check:",
                disabled=used,
            ):
                change(proposal=proposal)
                st.rerun()
            if used:
                st.caption("In use.", width="content")
            if st.button(
                "See what it does",
                key="behaviour_direction.see",
                icon=":material/tune:",
                type="tertiary",
            ):
                st.switch_page("pages/proposal/page.py")


def in_words(proposal: AnyProposalSpec) -> str:
    """Returns a measured proposal as a sentence."""
    layer = getattr(proposal, "layer", None)
    where = "" if layer is None else f" after block {layer}"
    return (
        f"Push {proposal.strength:.3g} times the direction{where}, for the first {proposal.t_switch} "
        f"tokens, mixed with {proposal.alpha_mix:.0%} of the model itself"
    )


def _build(
    loaded: LoadedModel,
    behaviour: Behaviour,
    measured: AnyProposalSpec | None,
    task: BuildTask | None,
) -> None:
    """Draws the button that starts the work, and its progress."""
    running = task is not None and task.running
    built = built_direction(loaded, behaviour.pairs, behaviour.spec.direction) is not None
    judge = resources.judge_named(None, settings().behaviour)
    paid = measured is None and is_paid(judge)
    agreed = f"{AGREED}.{behaviour.fingerprint}"
    if measured is None:
        st.markdown(
            f"Not built yet for **{plain(loaded.name)}**. The {len(behaviour.pairs):,} pairs are read, "
            "then a search tries blocks and strengths on pilot questions."
            if not built
            else f"No settings are known for **{plain(loaded.name)}** yet: a search tries blocks and "
            "strengths on pilot questions."
        )
        if paid and not running:
            st.warning(
                "The judge sends requests: the search has it score thousands of answers.",
                icon=":material/payments:",
            )
            st.checkbox("Send them", key=agreed)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if st.button(
            START_WORDS[measured is not None, built],
            key="behaviour_direction.build",
            type="primary" if measured is None else "secondary",
            icon=":material/explore:",
            disabled=running or (paid and not st.session_state.get(agreed)),
        ):
            asked, store = settings().behaviour, resources.store()
            build_tasks().start(
                build_name(loaded, behaviour),
                lambda: Task(
                    build_steps(
                        loaded, asked, behaviour, judge if measured is None else None, store
                    ),
                    what="building the direction",
                ),
            )
            st.rerun()
        if running:
            st.fragment(_progress, run_every=POLL_SECONDS)(build_name(loaded, behaviour))
        elif task is not None and task.snapshot().status == "cancelled":
            st.caption("Cancelled; what was done is kept.")


def _progress(name: str) -> None:
    task = build_tasks().get(name)
    if task is None or not task.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        share, text = _progress_words(task)
        st.progress(share, text=text, width=420)
        st.button(
            "Cancel",
            key="behaviour_direction.cancel",
            icon=":material/stop:",
            disabled=task.cancelling,
            on_click=task.cancel,
        )


def _progress_words(task: BuildTask) -> tuple[float, str]:
    """Returns the share that is done, and how far the work is in words."""
    at = task.snapshot().progress
    if at.total == 0:
        return 0.0, "Getting ready"
    if task.cancelling:
        return at.share, "Stops at the next step"
    if at.unit == "pairs":
        return at.share, f"Reading the pairs: {at.done:.0f} of {at.total:.0f}"
    question = min(int(at.done) + 1, int(at.total))
    return at.share, f"Trying settings: question {question} of {at.total:.0f}"


def _found(
    loaded: LoadedModel, behaviour: Behaviour, found: Direction, measured: AnyProposalSpec | None
) -> None:
    """Draws how far safe and unsafe lie apart after each block, and the files to take away."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**How well each block tells safe from unsafe**")
        chosen = getattr(measured, "layer", int(found.separation.argmax()))
        st.vega_lite_chart(
            layers.separation(found.separation.tolist(), chosen),
            key="behaviour_direction.separation",
            width="stretch",
            alt="Distance between safe and unsafe examples after each block",
        )
    with right:
        st.markdown("**Download it**")
        st.caption("The direction of every block, in one file.")
        meta = DirectionMeta.of(loaded, behaviour.name)
        name = f"{behaviour.name}-{loaded.name.rpartition('/')[2]}"
        with st.container(horizontal=True):
            _download("safetensors", found, meta, name)
            if gguf_installed() and found.vectors[1:].any():
                _download("gguf", found, meta, name)
        if gguf_installed():
            st.caption(
                "safetensors: for Tailscope, with all that is known of it. GGUF: a control vector for "
                "llama.cpp and repeng; added at scale 1 it pushes towards harm as strength 1 does here."
            )
        else:
            st.caption(f"GGUF control vectors, for llama.cpp: `{HOW_TO_INSTALL}`")


def _download(ending: str, found: Direction, meta: DirectionMeta, name: str) -> None:
    label = {"safetensors": "safetensors", "gguf": "GGUF"}[ending]
    st.download_button(
        label,
        direction_bytes(found, meta, f".{ending}"),
        file_name=f"{name}.{ending}",
        icon=":material/download:",
        key=f"behaviour_direction.download.{ending}",
        on_click="ignore",
    )
