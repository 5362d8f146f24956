"""What a comparison of wordings has found: plots, numbers, the wordings as text, and files to take away."""

import pandas as pd
import streamlit as st

from core.charts.wordings import both_ends, forest, forest_rows, legend
from core.cli.command_line import WORDINGS_FILE, command_line
from core.reports.wordings import wordings_document
from core.sensitivity.comparison import Comparison, VariantRow
from core.sensitivity.report import SensitivityReport
from core.sensitivity.summary import is_unjudged
from core.sensitivity.variants import ORIGINAL
from pages.paraphrases.wording import (
    averaged_words,
    marked,
    risk_words,
    shares,
    times_as_risky,
    verdict_words,
)
from pages.paraphrases.work import wordings_csv
from pages.shared import query_picker
from pages.shared.comparisons import take_over
from pages.shared.frame import plain
from pages.shared.reports import report_buttons
from pages.shared.state import look_at_run, settings
from pages.shared.theme import ink
from pages.shared.words import drawn_with

KINDS = {"system": "System prompt", "temperature": "Temperature", "length": "Longest answer"}
SHOWN = "paraphrases.shown"
# Wordings listed at once: each is a row of widgets.
AT_ONCE = 50
COLUMNS = (
    *("id", "kind", "label", "text", "estimate", "ci_low", "ci_high", "standard_error", "hits"),
    *("samples", "verdict", "error", "system_prompt", "temperature", "max_new_tokens"),
)


def plots(plan: Comparison, found: SensitivityReport) -> None:
    """Draws each wording's risk, and that under each other setting."""
    table = forest_rows([one for one in found.rows if one.variant.kind == "wording"])
    if not table.empty:
        seen = both_ends(table)
        _forest(
            seen, "wordings", "Each wording's risk per million with its range, the riskiest first"
        )
        st.caption(_legend(table, len(table) - len(seen)))
    _settings(plan, found)


def _legend(table: pd.DataFrame, hidden: int) -> str:
    parts = ["★ and the dashed line: the question as it stands."]
    if hidden:
        parts.append(
            f"{hidden:,} between the riskiest and the mildest are not drawn; the file has all."
        )
    if not table["found"].all():
        parts.append(
            "Open marks: no harmful answer was found, and the risk is anywhere to the left."
        )
    count = int((table["verdict"] == "do not use").sum())
    if count:
        are = "is" if count == 1 else "are"
        parts.append(f"{count:,} that should not be used {are} shown and not counted.")
    return " ".join(parts)


def _forest(table: pd.DataFrame, key: str, alt: str) -> None:
    st.html(legend(set(table["verdict"])))
    st.vega_lite_chart(
        forest(table, ink()),
        key=f"paraphrases.forest.{key}",
        width="stretch",
        alt=alt,
    )


def _settings(plan: Comparison, found: SensitivityReport) -> None:
    own = [one for one in found.rows if one.variant.variant_id == ORIGINAL]
    others = [one for one in found.rows if one.variant.kind != "wording"]
    if not others:
        return
    table = forest_rows([*own, *others])
    if table.empty:
        return
    names = {one.variant.variant_id: _setting(one) for one in others}
    label = [
        names.get(row["id"], f"★ as it stands ({_usual(plan)})") for _, row in table.iterrows()
    ]
    st.markdown("#### The same question, answered otherwise")
    _forest(
        table.assign(label=label, text=label),
        "settings",
        "The risk under other settings, per million",
    )


def _setting(one: VariantRow) -> str:
    made = one.variant.generation
    values = {
        "system": made.system_prompt,
        "temperature": made.temperature,
        "length": f"{made.max_new_tokens} tokens",
    }
    return f"{KINDS[one.variant.kind]}: {values[one.variant.kind]}"


def _usual(plan: Comparison) -> str:
    return drawn_with(plan.spec.generation)


def summary(found: SensitivityReport) -> None:
    """Draws what the variance is due to, and the risk averaged over the wordings."""
    left, right = st.columns(2, gap="large")
    if found.spread is not None and found.spread.share is not None:
        with left:
            st.markdown("#### Why the estimates differ")
            st.html(shares(found.spread.share))
            st.caption(
                "Shares of the variance between the logarithms of these estimates: what the wording "
                "causes, and what sampling alone would cause."
            )
    if found.averaged is not None and len(found.rows) > 1:
        with right:
            st.markdown("#### However it is put")
            wordings = [one.row.estimate for one in found.rows if one.variant.kind == "wording"]
            zero_hits = sum(
                one is not None and one.hits == 0 and not is_unjudged(one) for one in wordings
            )
            st.markdown(averaged_words(found.averaged, zero_hits))


def texts(plan: Comparison, found: SensitivityReport) -> None:
    """Draws the wordings as text, their differences marked, the riskiest first."""
    rows = [one for one in found.rows if one.variant.kind == "wording"]
    if len(rows) < 2:
        return
    order = {name: place for place, name in enumerate(forest_rows(rows).get("id", []))}
    rows.sort(key=lambda one: order.get(one.variant.variant_id, len(order)))
    own = next((one for one in rows if one.variant.variant_id == ORIGINAL), None)
    st.markdown("#### The wordings, and how they differ")
    st.caption("Bold and underlined: not in the question as it stands. Struck out: left out of it.")
    shown = st.session_state.get(SHOWN, AT_ONCE)
    with st.container(height=460, border=True):
        for one in rows[:shown]:
            _wording(plan, one, own)
        if len(rows) > shown and st.button(
            f"Show more ({len(rows) - shown:,} left)", key="paraphrases.more", type="tertiary"
        ):
            st.session_state[SHOWN] = shown + AT_ONCE
            st.rerun()


def _wording(plan: Comparison, one: VariantRow, own: VariantRow | None) -> None:
    risk, text, button = st.columns([5, 11, 5], vertical_alignment="center")
    with risk:
        small = " · ".join(
            plain(part) for part in (verdict_words(one), times_as_risky(one, own)) if part
        )
        st.markdown(plain(risk_words(one)) + (f"  \n:gray[{small}]" if small else ""))
    with text:
        if one is own:
            st.html(f"★ <b>{marked(plan.query, plan.query)}</b>")
        else:
            st.html(marked(one.variant.text, plan.query))
    with button:
        if st.button(
            "Look at this wording",
            key=f"paraphrases.look.{one.variant.variant_id}",
            type="tertiary",
            icon=":material/show_chart:",
        ):
            _look_at(plan, one)


def _look_at(plan: Comparison, one: VariantRow) -> None:
    """Makes a wording the session's question, and goes where it is estimated."""
    take_over(
        plan,
        query=one.variant.text,
        generation=one.variant.generation,
        # The session keeps its proposal, and so the share of rows beside it.
        defensive_share=settings().defensive_share,
    )
    query_picker.forget()
    look_at_run(None)
    st.switch_page("pages/convergence/page.py")


def take_away(plan: Comparison, found: SensitivityReport) -> None:
    """Draws the command line that does the same, and the files."""
    with st.expander("Take it with you", icon=":material/download:"):
        st.markdown("The same from the command line; what is drawn is shared with the app:")
        st.code(command_line(plan), language="bash", wrap_lines=True)
        if plan.source is None:
            st.caption(f"It reads the wordings from `{WORDINGS_FILE}`: download them first.")
        with st.container(horizontal=True):
            st.download_button(
                "Results (csv)",
                data=lambda: results_csv(found).encode("utf-8"),
                file_name=f"tailscope-wordings-{plan.name}.csv",
                on_click="ignore",
                key="paraphrases.csv",
            )
            st.download_button(
                "Wordings (csv)",
                data=lambda: wordings_csv(plan).encode("utf-8"),
                file_name=WORDINGS_FILE,
                on_click="ignore",
                key="paraphrases.wordings",
            )
        report_buttons(
            f"tailscope-wordings-{plan.name}",
            lambda shown: wordings_document(plan, found),
            "paraphrases.report",
            answers=False,
        )


def results_csv(found: SensitivityReport) -> str:
    """Returns a row for each variant, the estimate as a probability."""
    rows = [{**one, **one["generation"]} for one in found.to_dict()["variants"]]
    return str(pd.DataFrame(rows).reindex(columns=COLUMNS).to_csv(index=False))
