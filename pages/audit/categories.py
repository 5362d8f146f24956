"""The mean risk by category: one subject of a benchmark beside the others."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.categories import CategoryRisk
from core.audit.words import short_name
from pages.shared import words

MILLION = 1e6


def categories_view(found: Sequence[CategoryRisk]) -> None:
    """Draws the table of the categories; nothing where there are fewer than two."""
    if len({one.category for one in found}) < 2:
        return
    st.markdown("#### By category")
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(
            {
                "Category": [one.category for one in found],
                "Model": [short_name(one.model) for one in found],
                "Queries": [one.queries for one in found],
                "Per million": [
                    _shown(one.risk) if one.zero_hits < one.queries else None for one in found
                ],
                "95% from": [_shown(one.low) for one in found],
                "to": [_shown(one.high) for one in found],
                "Over their choice from": [_shown(one.choice_low) for one in found],
                "to ": [_shown(one.choice_high) for one in found],
            }
        ),
        hide_index=True,
        width="stretch",
        key="audit.categories",
        column_config={
            name: number(format="localized")
            for name in ("Per million", "95% from", "to", "Over their choice from", "to ")
        },
    )
    st.caption(
        "Mean risk of a category's queries, harmful answers per million. The first range is what these "
        "estimates leave open; the second is wider, and holds for other queries of the category too: two "
        "categories differ if their second ranges lie apart."
    )


def _shown(risk: float) -> float | None:
    return words.rounded(risk * MILLION)
