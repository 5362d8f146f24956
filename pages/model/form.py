"""Choosing a model and how it answers. What cannot be loaded leaves the one before in place."""

from typing import Any, get_args

import streamlit as st

from core.errors import TailscopeError
from core.glossary import meaning
from core.models.devices import devices_here
from core.models.embedded import named_models
from core.models.spec import SPREAD, LoadingSpec
from core.settings.operator import operator, user_folder
from core.spec import MAX_NEW_TOKENS, GenerationSpec
from pages.shared.frame import plain, sentence, show_error
from pages.shared.model_loading import check
from pages.shared.state import change, settings

OTHER = "Another model ..."
LAST = "model_form.last"
DTYPES = get_args(LoadingSpec.model_fields["dtype"].annotation)
ATTENTIONS = get_args(LoadingSpec.model_fields["attention"].annotation)


def source_form() -> None:
    """Draws the choice of model, and how it is loaded."""
    names = list(named_models())
    current = settings().model
    with st.form("model_form.source"):
        st.markdown("**Which model**")
        picked = st.selectbox(
            "On this machine",
            [*names, OTHER],
            index=names.index(current) if current in names else len(names),
        )
        typed = st.text_input(
            "Or a folder, a GGUF file, or a Hugging Face id",
            value="" if current in names else current,
            placeholder="organisation/name, or /path/to/model",
            help="The model is checked before anything is downloaded or read. A gated model's token comes "
            "from HF_TOKEN or from `hf auth login`; it is never shown.",
        )
        with st.expander("How it is loaded", icon=":material/settings:"):
            fields = _loading_fields(settings().loading)
        load = st.form_submit_button("Check and load", type="primary", width="stretch")
        look = st.form_submit_button("Check only", width="stretch")
    if load or look:
        name = _named(picked, typed.strip())
        try:
            check(name, LoadingSpec.build(**fields), load=load)
        except TailscopeError as error:
            show_error(error)
            st.caption(f"{plain(settings().model)} stays loaded.")


def _named(picked: str, typed: str) -> str:
    """Returns which model is meant: of the list and the field, the one that was changed since last time."""
    current = settings().model
    shown = (OTHER, current) if current not in named_models() else (current, "")
    asked_of, *last = st.session_state.get(LAST, (current, *shown))
    if asked_of != current:
        last = list(shown)
    st.session_state[LAST] = (current, picked, typed)
    if picked != OTHER and (not typed or (picked != last[0] and typed == last[1])):
        return picked
    return typed


def _loading_fields(now: LoadingSpec) -> dict[str, Any]:
    """Draws the settings of loading and returns them, not yet checked."""
    revision = st.text_input(
        "Revision",
        value=now.revision or "",
        placeholder="the newest",
        help="Branch, tag or commit of a Hugging Face repository.",
    )
    one, two = st.columns(2)
    dtype = one.selectbox(
        "Numbers",
        DTYPES,
        index=DTYPES.index(now.dtype),
        format_func=lambda name: "as stored" if name == "auto" else name,
        help="The dtype. bfloat16 and float16 halve the memory of float32 weights, and change the "
        "model a little.",
    )
    devices = list(dict.fromkeys((*devices_here(), now.device)))
    device = two.selectbox(
        "Device",
        devices,
        index=devices.index(now.device),
        format_func=lambda name: "all, spread" if name == SPREAD else name,
        help="The devices of this machine.",
    )
    attention = st.selectbox(
        "Attention",
        ATTENTIONS,
        index=ATTENTIONS.index(now.attention),
        help="With eager, an answer is the same bit for bit whatever is computed beside it; sdpa is "
        "faster.",
    )
    st.caption(_allowed_words())
    return {
        "revision": revision.strip() or None,
        "dtype": dtype,
        "device": device,
        "attention": attention,
    }


def _allowed_words() -> str:
    """Returns what the operator's configuration allows beyond safetensors: no widget can."""
    path = plain(str(user_folder() / "config.toml"))
    try:
        found = operator()
    except TailscopeError as error:
        return plain(sentence(str(error)))
    granted = [
        f"{what} of {plain(', '.join(names))}"
        for what, names in (
            ("pickled weights", found.allow_pickle),
            ("the code", found.allow_remote_code),
        )
        if names
    ]
    if granted:
        return f"The operator's configuration ({path}) allows {' and '.join(granted)}."
    return (
        "Only safetensors weights are read, and no code that comes with a model is run. Only the "
        f"operator's configuration can allow more, and it does not: {path}."
    )


def generation_form() -> None:
    """Draws how answers are generated: part of what the risk is a property of."""
    now = settings().generation
    with st.form("model_form.generation"):
        st.markdown("**How it answers**")
        system = st.text_area(
            "System prompt",
            value=now.system_prompt or "",
            height=68,
            placeholder="none",
            help="Set before every question; empty for none.",
        )
        one, two = st.columns(2)
        temperature = one.number_input(
            "Temperature",
            value=now.temperature,
            step=0.1,
            help=meaning("temperature"),
        )
        longest = two.number_input(
            "Longest answer, in tokens",
            value=now.max_new_tokens,
            step=5,
            help=f"Answers are cut here; at most {MAX_NEW_TOKENS:,}.",
        )
        top_p = one.number_input(
            "Top-p",
            value=now.top_p,
            step=0.05,
            help=meaning("top-p"),
        )
        top_k = two.number_input(
            "Top-k", value=now.top_k, step=1, placeholder="off", help=meaning("top-k")
        )
        with st.expander("More on how tokens are drawn", icon=":material/tune:"):
            more = _more_fields(now)
        if st.form_submit_button("Apply", width="stretch"):
            try:
                changed = GenerationSpec.build(
                    system_prompt=system.strip() or None,
                    temperature=temperature,
                    top_p=top_p,
                    top_k=top_k,
                    max_new_tokens=longest,
                    **more,
                )
            except TailscopeError as error:
                show_error(error)
                return
            change(generation=changed)
            st.rerun()


def _more_fields(now: GenerationSpec) -> dict[str, Any]:
    """Draws the settings that are seldom changed and returns them, not yet checked."""
    one, two = st.columns(2)
    min_p = one.number_input("Min-p", value=now.min_p, step=0.01, help=meaning("min-p"))
    penalty = two.number_input(
        "Repetition penalty",
        value=now.repetition_penalty,
        step=0.05,
        help=meaning("repetition penalty"),
    )
    size = one.number_input(
        "Repeated runs, in tokens",
        value=now.no_repeat_ngram_size,
        step=1,
        help=meaning("repeated runs"),
    )
    never = two.text_input(
        "Tokens never drawn",
        value=", ".join(map(str, now.suppress_tokens)),
        placeholder="none",
        help="Their ids, with commas between them.",
    )
    day = one.text_input(
        "Date in the prompt",
        value=now.template_date.isoformat(),
        help=meaning("template date"),
    )
    return {
        "min_p": min_p,
        "repetition_penalty": penalty,
        "no_repeat_ngram_size": size,
        "suppress_tokens": [part.strip() for part in never.split(",") if part.strip()],
        "template_date": day,
    }
