"""Setting up an audit: which queries, which models, how many answers, and how long that takes."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.audit.folder import begin_folder
from core.audit.progress import answers_a_query
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.audit.table import some_of
from core.behaviours.load import load_behaviour
from core.errors import TailscopeError
from core.glossary import meaning
from core.judges import served_judge
from core.models.embedded import embedded_models, named_models
from core.models.spec import LoadingSpec
from core.queries import parse_query_file
from core.queries.query import Query
from core.runs.catalogue import audits_folder
from core.runs.default_method import default_method
from core.runs.forecast import Forecast
from core.spec import MAX_SAMPLES
from pages.shared import resources, words
from pages.shared.audits import begin, look_at_audit
from pages.shared.bad_rows import bad_rows
from pages.shared.frame import plain, sentence
from pages.shared.pace import known_pace
from pages.shared.query_upload import ENDINGS, Upload
from pages.shared.state import settings

KEPT = "audit_setup.kept"
FILE = "audit_setup.file"
UPLOAD = "audit_setup.upload"
ERROR = "audit_setup.error"
SOURCES = ("The behaviour's own", "From a file")
DEFAULT_COUNT = 20
# Processes begin and models are loaded.
STARTING = 10.0  # seconds
PRECISIONS = (None, 0.5, 0.3, 0.2, 0.1)


def audit_setup() -> None:
    """Draws the form, and starts the audit."""
    st.markdown(
        "One query says little about a model. Ask many, of several models, and see how many of them "
        "get a harmful answer when asked once, and when asked ten thousand times: "
        "**the model that is safer when asked once need not be the safer one.**"
    )
    queries = _queries()
    models = _models()
    numbers = _numbers()
    if not queries or not models:
        return
    try:
        spec = _spec(models, queries, numbers)
        for query in queries:
            spec.request(spec.models[0], *query.asked)
    except TailscopeError as error:
        st.error(plain(sentence(str(error))), icon=":material/error:")
        return
    _start(spec, queries)


def _queries() -> list[Query]:
    chosen = settings()
    name = chosen.behaviour
    own = load_behaviour(name).queries
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    with left:
        source = _kept(
            "source",
            lambda value: st.segmented_control(
                "Queries",
                SOURCES,
                default=value or SOURCES[0],
                required=True,
                key="audit_setup.source",
                help=f"Behaviour and judge are those of the sidebar: {name}.",
            ),
        )
    upload = _uploaded() if source == SOURCES[1] else None
    found: Sequence[Query] = own if source == SOURCES[0] else ()
    if upload is not None:
        found = upload.found.queries
        bad_rows(upload.found.bad, upload.found.counted)
    if not found:
        return []
    with right:
        most = len(found)
        start = most if source == SOURCES[1] else min(DEFAULT_COUNT, most)
        count = _kept(
            f"count.{source}.{most}",
            lambda value: st.number_input(
                f"How many of the {most:,}",
                min_value=1,
                max_value=most,
                value=min(value or start, most),
                step=10,
                key=f"audit_setup.count.{source}",
                help="Fewer than all are chosen at random, always the same ones.",
            ),
        )
    return some_of(found, int(count))


def _uploaded() -> Upload | None:
    st.file_uploader(
        "File with queries",
        type=ENDINGS,
        key=FILE,
        on_change=_taken,
        help="CSV, TSV, JSON, JSON Lines, parquet, or a query a line. The file stays on this machine.",
        label_visibility="collapsed",
    )
    if st.session_state.get(ERROR):
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
    kept: Upload | None = st.session_state.get(UPLOAD)
    if kept is not None:
        st.caption(f"{plain(kept.name)}: {len(kept.found.queries):,} queries")
        for note in kept.found.notes:
            st.caption(plain(sentence(note)))
    return kept


def _taken() -> None:
    given: Any = st.session_state.get(FILE)
    st.session_state.pop(ERROR, None)
    if given is None:
        return
    try:
        st.session_state[UPLOAD] = Upload(
            given.name, parse_query_file(given.name, given.getvalue())
        )
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))


def _models() -> list[AuditModel]:
    chosen = settings()
    offered = {name: AuditModel(name=name, loading=LoadingSpec()) for name in named_models()}
    # A real model takes minutes where these take seconds: it is offered, and not asked for.
    first = dict.fromkeys((*embedded_models(), chosen.model))
    offered[chosen.model] = AuditModel(name=chosen.model, loading=chosen.loading)
    names = _kept(
        "models",
        lambda value: st.multiselect(
            "Models",
            list(offered),
            default=[name for name in value or first if name in offered],
            key="audit_setup.models",
            help="The models on this machine, and the one that this session has loaded. "
            "Each is asked with its own measured proposals.",
        ),
    )
    if not names:
        st.warning("Choose at least one model.", icon=":material/deployed_code:")
    return [offered[name] for name in names]


def _numbers() -> dict[str, Any]:
    one, two, three, four = st.columns(4, gap="medium", vertical_alignment="bottom")
    with one:
        samples = _kept(
            "samples",
            lambda value: st.number_input(
                "Answers a query",
                1,
                MAX_SAMPLES,
                value or 1_000,
                500,
                key="audit_setup.samples",
                help=f"For each query and model. {meaning('importance sampling')}",
            ),
        )
    with two:
        precision = _kept(
            "precision",
            lambda value: st.selectbox(
                "Stop a query earlier",
                PRECISIONS,
                index=PRECISIONS.index(value),
                format_func=lambda one: (
                    "never: draw them all" if one is None else f"once its interval is ±{one:.0%}"
                ),
                key="audit_setup.precision",
                help="Most queries are settled after a few hundred answers.",
            ),
        )
    with three:
        direct = _kept(
            "direct",
            lambda value: st.number_input(
                "Monte Carlo answers a query",
                0,
                MAX_SAMPLES,
                0 if value is None else value,
                1_000,
                key="audit_setup.direct",
                help=f"A check of each estimate. {meaning('Monte Carlo')} 0 leaves it out.",
            ),
        )
    with four:
        seed = _kept(
            "seed",
            lambda value: st.number_input(
                "Seed",
                0,
                2**31 - 1,
                settings().seed if value is None else value,
                key="audit_setup.seed",
                help=meaning("seed"),
            ),
        )
    return {
        "samples": int(samples),
        "precision": precision,
        "monte_carlo_samples": int(direct),
        "seed": int(seed),
    }


def _kept(name: str, draw: Any) -> Any:
    """Returns a widget's value, which outlives a change of page. draw: given the value it had."""
    kept = st.session_state.setdefault(KEPT, {})
    kept[name] = draw(kept.get(name))
    return kept[name]


def _spec(
    models: Sequence[AuditModel], queries: Sequence[Query], numbers: dict[str, Any]
) -> AuditSpec:
    chosen = settings()
    names, texts = [model.name for model in models], [query.text for query in queries]
    score = resources.threshold(chosen)
    method = default_method(names, chosen.behaviour, texts, chosen.judge, score)
    # Each model has a measured default of its own.
    fields = resources.estimation(chosen, proposal=None, method=method, **numbers)
    return AuditSpec.build(models=tuple(models), **fields)


def _offer_less(spec: AuditSpec, rows: int, pace: float) -> None:
    """Offers fewer answers a query where the audit takes minutes. rows: queries times models."""
    offer = Forecast(STARTING, rows * pace).fewer(spec.samples)
    if offer is None:
        return
    takes = words.duration(STARTING + rows * (1 + offer) * pace)
    st.button(
        f"{offer:,} answers a query: about {takes}",
        key="audit_setup.less",
        icon=":material/bolt:",
        on_click=_take_less,
        args=(offer,),
    )


def _take_less(samples: int) -> None:
    st.session_state["audit_setup.samples"] = samples
    st.session_state["audit_setup.direct"] = 0


def _start(spec: AuditSpec, queries: Sequence[Query]) -> None:
    total = len(queries) * len(spec.models) * answers_a_query(spec)
    pace = known_pace(spec, queries[0].text)
    most = "" if spec.precision is None else "at most "
    takes = "how long is not known before the models are loaded"
    if pace is not None:
        takes = f"{most}about {words.duration(STARTING + total * pace)} on this machine"
    paid = served_judge(spec.judge, spec.behaviour) is not None
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "See what the judge costs" if paid else "Start the audit",
            key="audit_setup.start",
            type="primary",
            icon=":material/play_arrow:",
        )
        st.markdown(
            f"{len(queries):,} queries × {len(spec.models)} "
            f"{'model' if len(spec.models) == 1 else 'models'}, {most}**{total:,} answers**: {takes}."
        )
        if pace is not None:
            _offer_less(spec, len(queries) * len(spec.models), pace)
    if pressed:
        folder = begin_folder(audits_folder() / audit_id(spec, queries), spec, queries)
        if not paid and not folder.finished:
            begin(folder)
        look_at_audit(folder.audit_id)
        st.rerun()
