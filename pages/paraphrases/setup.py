"""Setting up a comparison of wordings: which, what else to vary, how many answers, and the start."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.audit.spec import AuditModel, AuditSpec
from core.errors import SpecError, TailscopeError
from core.runs.default_method import default_method
from core.sensitivity.comparison import Comparison
from core.sensitivity.variants import variants
from core.sensitivity.words import others
from core.spec import MAX_SAMPLES, GenerationSpec
from pages.paraphrases.consent import ask_or_begin, consent, is_paid
from pages.paraphrases.sources import Wordings, kept, numbers, wordings
from pages.shared import resources, words
from pages.shared.comparisons import is_unknown
from pages.shared.frame import plain, sentence, show_error
from pages.shared.pace import known_pace
from pages.shared.state import settings

# Processes begin and a model is loaded.
STARTING = 8.0  # seconds
SAMPLES = 500
SYSTEMS, TEMPERATURES = "System prompts, one a line", "Temperatures"
LENGTHS = "Longest answers, in tokens"


def paraphrase_setup() -> None:
    """Draws the form, and starts the work."""
    chosen = settings()
    query = resources.query(chosen)
    if is_unknown():
        st.info(
            "The comparison that this link names is not in the store of this machine.",
            icon=":material/link_off:",
        )
    st.markdown(f"Asked: **“{plain(query)}”**")
    st.markdown(
        "The same question can be put in many ways. How far do the words alone move the risk of a harmful "
        "answer?"
    )
    found = wordings(chosen, query)
    varied = _varied()
    samples = _samples()
    try:
        plan = _plan(query, found, varied, samples)
    except TailscopeError as error:
        if found.texts or any(varied.values()):
            show_error(error)
        else:
            st.caption("Choose other wordings, or something else to vary.")
        return
    except ValueError as error:
        st.error(plain(sentence(str(error))), icon=":material/error:")
        return
    _start(plan, found.cut)


def _varied() -> dict[str, str]:
    with st.expander("Also vary how the answers are made", icon=":material/tune:"):
        one, two, three = st.columns([3, 2, 2])
        with one:
            systems = kept(
                "systems",
                lambda value: st.text_area(
                    SYSTEMS,
                    value=value or "",
                    height=100,
                    key="paraphrases.systems",
                ),
            )
        with two:
            temperatures = kept(
                "temperatures",
                lambda value: st.text_input(
                    TEMPERATURES,
                    value=value or "",
                    placeholder="0.7, 1.3",
                    key="paraphrases.temperatures",
                ),
            )
        with three:
            lengths = kept(
                "lengths",
                lambda value: st.text_input(
                    LENGTHS,
                    value=value or "",
                    placeholder="10, 20",
                    key="paraphrases.lengths",
                ),
            )
        st.caption("Each is tried with the question as it stands, one thing changed at a time.")
    return {"systems": systems, "temperatures": temperatures, "lengths": lengths}


def _samples() -> int:
    column, _ = st.columns([1, 3])
    with column:
        found = kept(
            "samples",
            lambda value: st.number_input(
                "Answers to each",
                1,
                MAX_SAMPLES,
                value or SAMPLES,
                100,
                key="paraphrases.samples",
                help="More answers make the ranges narrower, and take longer.",
            ),
        )
    return int(found)


def _plan(query: str, found: Wordings, varied: dict[str, str], samples: int) -> Comparison:
    """Raises: SpecError, or ValueError where a list of numbers holds something else."""
    chosen = settings()
    systems = [line.strip() for line in varied["systems"].splitlines() if line.strip()]
    temperatures = numbers(varied["temperatures"], f"“{TEMPERATURES}”", float)
    lengths = numbers(varied["lengths"], f"“{LENGTHS}”", int)
    _check("system_prompt", SYSTEMS, systems)
    _check("temperature", TEMPERATURES, temperatures)
    _check("max_new_tokens", LENGTHS, lengths)
    asked = variants(
        query,
        found.texts,
        chosen.generation,
        systems=systems,
        temperatures=temperatures,
        lengths=lengths,
    )
    score = resources.threshold(chosen)
    method = default_method([chosen.model], chosen.behaviour, [query], chosen.judge, score)
    spec = AuditSpec.build(
        models=(AuditModel(name=chosen.model, loading=chosen.loading),),
        samples=samples,
        **resources.estimation(chosen, proposal=None, method=method),
    )
    spec.request(spec.models[0], query)
    # With something else to vary, the command line takes shipped wordings from a file only.
    needs_file = found.source == () and any(varied.values()) and bool(found.texts)
    source: Any = None if needs_file else () if not found.texts else found.source
    return Comparison.build(spec=spec, variants=asked, notes=found.notes, source=source)


def _check(setting: str, label: str, values: Sequence[object]) -> None:
    """Raises: SpecError naming the field, if one of its values is out of range."""
    for value in values:
        try:
            GenerationSpec.build(**{setting: value})
        except SpecError as error:
            raise SpecError(f"“{label}”: {error}") from None


def _start(plan: Comparison, cut: str) -> None:
    pace = known_pace(plan.spec, plan.query)
    takes = "how long is not known before the model is loaded"
    if pace is not None:
        takes = f"about {words.duration(STARTING + plan.answers * pace)} on this machine"
    if cut:
        st.warning(cut, icon=words.LEVELS["caution"].icon)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "See what the judge costs" if is_paid(plan) else "Compare the wordings",
            key="paraphrases.start",
            type="primary",
            icon=":material/play_arrow:",
        )
        asked = ["The question as it stands", *others(plan.variants)]
        st.markdown(
            f"{', '.join(asked[:-1])} and {asked[-1]}: **{plan.answers:,} answers**, {takes}."
        )
    st.caption(
        f"To each {words.counted(plan.spec.samples, 'answer')} drawn, and the likeliest one."
    )
    if pressed:
        ask_or_begin(plan)
    consent(plan)
