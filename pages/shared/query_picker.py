"""What is asked: a behaviour, and one of its shipped queries or the user's own words."""

from collections.abc import Container

import streamlit as st

from core.behaviours.load import behaviour_names, is_own, load_behaviour, load_queries
from core.errors import TailscopeError
from core.glossary import meaning
from core.queries.chat import check_no_chat
from core.queries.query import Query
from core.spec import MAX_QUERY_CHARACTERS
from pages.shared import query_upload, resources
from pages.shared.frame import plain, sentence
from pages.shared.state import change, settings

BEHAVIOUR = "query_picker.behaviour"
SOURCE = "query_picker.source"
SHIPPED = "query_picker.shipped"
OWN = "query_picker.own"
ERROR = "query_picker.error"
# The system prompt that the query asked now has brought with it.
SYSTEM = "query_picker.system"
NOT_MEANT = "Made for other models: this one may not know what it asks about."
SOURCES = ("Shipped", "My own", "From a file")


def query_picker() -> None:
    """Draws the choice of behaviour and query; settings follow at once."""
    chosen, names = settings(), _behaviours()
    st.session_state.setdefault(BEHAVIOUR, chosen.behaviour)
    st.selectbox(
        "Behaviour",
        names,
        index=names.index(chosen.behaviour),
        key=BEHAVIOUR,
        format_func=str.capitalize,
        on_change=_behaviour_changed,
        help=meaning("behaviour"),
    )
    if load_behaviour(settings().behaviour).spec.meant_for(settings().model) is False:
        st.caption(NOT_MEANT)
    queries = {query.text: query for query in load_queries(settings().behaviour)}
    asked = resources.query(settings())
    start = _source_of(asked, queries)
    st.session_state.setdefault(SOURCE, start)
    source = st.segmented_control(
        "Query",
        SOURCES,
        format_func=_source_name,
        key=SOURCE,
        default=start,
        required=True,
        on_change=_query_changed,
        width="stretch",
    )
    if source == SOURCES[2]:
        chosen_query = query_upload.query_upload(asked, settings().generation.system_prompt)
        if chosen_query is not None:
            _ask(chosen_query)
        _asked_now()
        return
    if source == SOURCES[1]:
        st.session_state.setdefault(OWN, asked)
        st.text_area(
            "Your query",
            value=asked,
            key=OWN,
            on_change=_query_changed,
            max_chars=MAX_QUERY_CHARACTERS,
            label_visibility="collapsed",
            placeholder="What is the model asked?",
        )
        if st.session_state.get(ERROR):
            st.error(plain(st.session_state[ERROR]), icon=":material/error:")
        return
    shown = asked if asked in queries else next(iter(queries))
    # Also where the query before has left its system prompt: it must not go on to this one.
    if shown != asked or queries[shown].system is not None or SYSTEM in st.session_state:
        _ask(queries[shown])
    if st.session_state.get(SHIPPED) not in queries:
        st.session_state[SHIPPED] = shown
    st.selectbox(
        "Shipped query",
        list(queries),
        index=list(queries).index(shown),
        key=SHIPPED,
        format_func=lambda text: _label(queries[text]),
        on_change=_query_changed,
        label_visibility="collapsed",
    )
    _asked_now()


def _ask(query: Query) -> None:
    """Asks a query, under its own system prompt if it has one; that of the query before it goes with it."""
    generation = settings().generation
    before = st.session_state.get(SYSTEM)
    if query.system is not None:
        st.session_state[SYSTEM] = query.system
        generation = generation.model_copy(update={"system_prompt": query.system})
    elif before is not None:
        st.session_state.pop(SYSTEM)
        if generation.system_prompt == before:
            generation = generation.model_copy(update={"system_prompt": None})
    if (query.text, generation) != (resources.query(settings()), settings().generation):
        change(query=query.text, generation=generation)


def _asked_now() -> None:
    st.caption(f"“{plain(resources.query(settings()))}”")
    own = st.session_state.get(SYSTEM)
    if own is not None and own == settings().generation.system_prompt:
        st.caption(f"Asked under its own system prompt: “{plain(own)}”")


def _source_of(asked: str, shipped: Container[str]) -> str:
    """Returns where a query is from."""
    kept = query_upload.uploaded()
    if asked in shipped:
        return SOURCES[0]
    if kept is not None and any(query.text == asked for query in kept.found.queries):
        return SOURCES[2]
    return SOURCES[1]


def forget() -> None:
    """Lets the widgets follow the settings, after something else has changed those."""
    for key in (BEHAVIOUR, SOURCE, SHIPPED, OWN):
        st.session_state.pop(key, None)


def _source_name(source: str) -> str:
    # The queries of one's own behaviours are shipped by nobody.
    own = is_own(settings().behaviour) or settings().behaviour not in behaviour_names()
    return "Listed" if own and source == SOURCES[0] else source


def _behaviours() -> list[str]:
    """The behaviours to choose from; one that a link has brought may be a file elsewhere."""
    known, chosen = behaviour_names(settings().model), settings().behaviour
    return [*known, *([] if chosen in known else [chosen])]


def _label(query: Query) -> str:
    alone = query.group in (query.query_id, "") or query.group in query.text
    return query.text if alone else f"{query.group}: {query.text}"


def _behaviour_changed() -> None:
    behaviour = st.session_state.get(BEHAVIOUR)
    # A change of page can call this without one, or with the one there is.
    if behaviour in (None, settings().behaviour):
        return
    # Another behaviour has another direction and other queries.
    change(behaviour=behaviour, query=None, proposal=None, threshold=None)
    for key in (SOURCE, SHIPPED, OWN):
        st.session_state.pop(key, None)


def _query_changed() -> None:
    source = st.session_state.get(SOURCE)
    if source == SOURCES[1] and OWN in st.session_state:
        _ask_typed(st.session_state[OWN])
    elif source == SOURCES[0] and SHIPPED in st.session_state:
        own = {query.text: query for query in load_queries(settings().behaviour)}
        text = st.session_state[SHIPPED]
        _ask(own.get(text, Query("typed", text, "")))


def _ask_typed(text: str) -> None:
    """Asks what was typed; a chat as JSON is not asked letter by letter."""
    st.session_state.pop(ERROR, None)
    try:
        check_no_chat(text)
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
        return
    _ask(Query("typed", text, ""))
