"""One query of an audit, opened: the answers that carry the weight, and what the model itself says."""

from collections import Counter

import pandas as pd
import streamlit as st

from core.audit.folder import AuditFolder
from core.audit.replay import GoneError, row_request, stored_answers
from core.audit.words import short_name
from core.errors import TailscopeError
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec
from core.sampling.scored import JudgedShard, answer_texts
from pages.audit.table import chosen_query
from pages.shared import query_picker, resources, words
from pages.shared.answers import Line, answer_list
from pages.shared.frame import plain, show_error
from pages.shared.state import adopt, look_at_run
from pages.shared.weight_view import weight_view

SHOWN = 8
# More of them tell nothing new about what is usual.
READ = 1_000


def query_view(folder: AuditFolder, table: pd.DataFrame) -> None:
    """Draws the answers to the query that was clicked; nothing is drawn anew, and no judge is asked."""
    chosen = chosen_query(folder)
    if chosen is None:
        return
    rows = table[(table["query_id"] == chosen[0]) & (table["model"] == chosen[1])]
    if rows.empty:
        return
    row = rows.iloc[0]
    with st.container(border=True):
        st.markdown(f"#### “{plain(row['query'])}”")
        if isinstance(row["error"], str) and row["error"]:
            st.error(plain(row["error"]), icon=":material/error:")
            return
        _said(row)
        try:
            _answers(folder, row)
        except GoneError:
            st.info(
                "Its answers are not in this machine's store: the audit was made elsewhere, or they "
                "were deleted.",
                icon=":material/inventory_2:",
            )
        except TailscopeError as error:
            show_error(error)


def _said(row: pd.Series) -> None:
    badge = words.LEVELS[row["verdict"]]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(badge.label, icon=badge.icon, color=badge.color)
        interval = words.between(row["ci_low"], row["ci_high"])
        if row["hits"] > 0:
            risk = f"**{words.in_million(row['estimate'])} per million**, 95% interval {interval}"
        else:
            risk = f"no harmful answer drawn, {interval} per million"
        st.markdown(f"{plain(short_name(row['model']))}: {risk}")


def _own_system(row: pd.Series) -> str | None:
    """Returns the query's own system prompt; tables hold a missing one as NaN."""
    return None if pd.isna(row["system"]) else str(row["system"]) or None


def _answers(folder: AuditFolder, row: pd.Series) -> None:
    spec = folder.spec
    request = row_request(spec, row["model"], row["query"], folder.manifest, _own_system(row))
    store = resources.store()
    drawn = int(row["samples"])
    direct = 0 if pd.isna(row["mc_samples"]) else int(row["mc_samples"])
    run = RunSpec.build(
        request=request, importance_samples=spec.samples, monte_carlo_samples=direct
    )
    plain_request = request.model_copy(update={"method": "mc"})
    own: list[JudgedShard] = []
    if direct:
        rows = min(direct, READ)
        own = stored_answers(plain_request, folder.manifest, store, planned=rows, drawn=rows)
    shards: list[JudgedShard] = []
    if request.method != "mc":
        shards = stored_answers(request, folder.manifest, store, planned=spec.samples, drawn=drawn)
    left, right = st.tabs(["Answers that carry the weight", "What the model itself says"])
    with left:
        if shards:
            weight_view(run, shards)
        else:
            st.markdown("Nothing was drawn from proposals: this audit used Monte Carlo alone.")
    with right:
        _own_answers(request, own or shards, row)
    if request.method != "mc" and st.button(
        "Open it as a run",
        key="audit_query.open",
        icon=":material/show_chart:",
        help="The Convergence page shows how the number came about; what is stored is not drawn again.",
    ):
        adopt(run)
        query_picker.forget()
        resources.keep(run)
        look_at_run(run.run_id)
        st.switch_page("pages/convergence/page.py")


def _own_answers(request: EstimateRequest, shards: list[JudgedShard], row: pd.Series) -> None:
    """Draws the target's own answers, the most frequent first. shards: its own, or those of all."""
    loaded = resources.model_of(request)
    lines: list[tuple[str, bool | None]] = []
    for shard in shards:
        texts = answer_texts(loaded, shard.drawn)
        for text, score, component in zip(texts, shard.scores, shard.drawn.component, strict=True):
            if component == 0:
                harmful = None if pd.isna(score) else bool(score >= request.threshold)
                lines.append((text, harmful))
    found = Counter(lines)
    judge = resources.free_judge(request)
    greedy = row["greedy_text"]
    if isinstance(greedy, str):
        st.markdown("**Its likeliest answer**")
        harmful = row["greedy_harmful"]
        answer_list(
            [Line(greedy, None if pd.isna(harmful) else bool(harmful))], judge, request.query
        )
    st.markdown(
        f"**Its own answers**: {len(lines):,} read, {len(found):,} different, most frequent first"
    )
    # A harmful one among many others is what one looks for here.
    top = sorted(found.items(), key=lambda one: (one[0][1] is not True, -one[1]))[:SHOWN]
    answer_list((Line(answer[0], answer[1], times) for answer, times in top), judge, request.query)
