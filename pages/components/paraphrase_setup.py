"""Setting up a comparison of wordings: which, what else to vary, how many answers, and the start."""

from typing import Any

import streamlit as st

from core.audit.spec import AuditModel, AuditSpec
from core.errors import TailscopeError
from core.sensitivity.comparison import Comparison
from core.sensitivity.variants import variants
from core.spec import MAX_SAMPLES
from pages.components import resources, words
from pages.components.audit_pace import known_pace
from pages.components.frame import plain, sentence, show_error
from pages.components.paraphrase_consent import ask_or_begin, consent, is_paid
from pages.components.paraphrase_sources import Wordings, kept, numbers, wordings
from pages.components.paraphrase_state import is_unknown
from pages.components.state import settings

# Processes begin and a model is loaded.
STARTING = 8.0  # seconds
SAMPLES = 500


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
    _start(plan)


def _varied() -> dict[str, str]:
    with st.expander("Also vary how the answers are made", icon=":material/tune:"):
        one, two, three = st.columns([3, 2, 2])
        with one:
            systems = kept(
                "systems",
                lambda value: st.text_area(
                    "System prompts, one a line",
                    value=value or "",
                    height=100,
                    key="paraphrases.systems",
                ),
            )
        with two:
            temperatures = kept(
                "temperatures",
                lambda value: st.text_input(
                    "Temperatures",
                    value=value or "",
                    placeholder="0.7, 1.3",
                    key="paraphrases.temperatures",
                ),
            )
        with three:
            lengths = kept(
                "lengths",
                lambda value: st.text_input(
                    "Longest answers, in tokens",
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
    asked = variants(
        query,
        found.texts,
        chosen.generation,
        systems=[line.strip() for line in varied["systems"].splitlines() if line.strip()],
        temperatures=numbers(varied["temperatures"], "temperatures", float),
        lengths=numbers(varied["lengths"], "lengths", int),
    )
    spec = AuditSpec.build(
        models=(AuditModel(name=chosen.model, loading=chosen.loading),),
        behaviour=chosen.behaviour,
        generation=chosen.generation,
        samples=samples,
        defensive_share=chosen.defensive_share,
        judge=chosen.judge,
        threshold=resources.threshold(chosen),
        seed=chosen.seed,
    )
    spec.request(spec.models[0], query)
    # With something else to vary, the command line takes shipped wordings from a file only.
    needs_file = found.source == () and any(varied.values()) and bool(found.texts)
    source: Any = None if needs_file else () if not found.texts else found.source
    return Comparison.build(spec=spec, asked=asked, notes=found.notes, source=source)


def _start(plan: Comparison) -> None:
    pace = known_pace(plan.spec, plan.query)
    takes = "how long is not known before the model is loaded"
    if pace is not None:
        takes = f"about {words.duration(STARTING + plan.answers * pace)} on this machine"
    texts = sum(one.kind == "wording" for one in plan.asked)
    others = len(plan.asked) - texts
    more = f" and {others:,} other settings" if others else ""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "See what the judge costs" if is_paid(plan) else "Compare the wordings",
            key="paraphrases.start",
            type="primary",
            icon=":material/play_arrow:",
        )
        st.markdown(f"{texts:,} wordings{more}, **{plan.answers:,} answers**: {takes}.")
    if pressed:
        ask_or_begin(plan)
    consent(plan)
