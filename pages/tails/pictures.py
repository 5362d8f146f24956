"""A forecast's pictures: the fan, the survival of the queries, the levels exceeded."""

import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.charts import tail as charts
from core.charts.style import INK
from core.charts.tail_fan import differs, fan
from core.tails.analysis import FittedTail
from core.tails.exceedance import uses_deconvolution
from core.tails.forecast import Forecast
from core.tails.picture import survival_points
from core.tails.reading import ReadSample
from core.tails.sample import to_risk
from core.tails.words import risk_range, risk_text
from pages.tails.source_choice import EstimateSource
from pages.tails.state import fits
from pages.tails.wording import OF_GROUPS, WITH_START, likely, share_text

_LINES = {
    "lognormal": "the curve through all of them",
    "empirical": "the share of them above each risk",
}


@dataclass(frozen=True, eq=False)
class ShownForecast:
    """A forecast for one horizon, with the estimates and the fit that it was made from."""

    opened: EstimateSource
    read: ReadSample
    key: str
    fitted: FittedTail
    forecast: Forecast
    as_estimated: Forecast
    n: int
    tau: float

    @property
    def supported(self) -> bool:
        return self.n <= self.forecast.supported

    @property
    def goes_beyond_seen(self) -> bool:
        """Whether the fit goes beyond what was seen at all."""
        return self.fitted.fit.name != "empirical"


def fan_view(shown: ShownForecast) -> None:
    """Draws the worst of n over n, with the horizon and the level asked about."""
    if shown.forecast.supported < 1:
        return
    fitted = shown.fitted
    seen = len(set(fitted.sample.group.tolist()))
    table = fits().fan(shown.key, fitted, float(shown.n))
    worst = float(fitted.sample.risk.max())
    st.markdown("#### The more questions, the riskier the riskiest")
    theme, ink = _look()
    st.vega_lite_chart(
        fan(
            table, shown.n, shown.tau, shown.forecast.supported, (seen, worst), theme=theme, ink=ink
        ),
        key="tails.fan",
        width="stretch",
        alt="Risk of the riskiest of n questions against n, with its ranges, and where the fit ends",
    )
    dashed = ""
    if differs(table):
        dashed = " Dashed: with the estimates' own noise left in."
    st.caption(
        f"Line: as likely too low as too high. Bands: half of the time, and {fitted.spec.confidence:.0%} of "
        f"the time.{dashed} ◆ The worst query seen."
    )


def survival_view(shown: ShownForecast) -> None:
    """Draws the share of queries above each risk, as estimated and as fitted."""
    fitted, read = shown.fitted, shown.read
    st.markdown("#### How many questions are how risky")
    points = survival_points(fitted.sample)
    points = points.assign(query=[read.queries[row] for row in points["row"]])
    theme, ink = _look()
    curve = fits().curve(shown.key, fitted, float(shown.n))
    st.vega_lite_chart(
        charts.survival(
            points,
            curve,
            float(to_risk(fitted.fit.threshold)) if fitted.fit.name in WITH_START else None,
            theme=theme,
            ink=ink,
        ),
        key="tails.survival",
        width="stretch",
        alt="Share of questions above a risk against the risk: those estimated, and the fitted tail",
    )
    words = ["Dots: the queries estimated."]
    words.append(
        f"Line: {_LINES.get(fitted.fit.name, 'the fitted tail')} with its range."
        if curve["share"].notna().any()
        else f"No line: {OF_GROUPS}."
    )
    if uses_deconvolution(fitted):
        words.append(
            "The estimates scatter about the risks; the line does not: their own noise is taken out of it."
        )
    if points["zero"].any():
        words.append(
            "Ticks at the bottom: no harmful answer was drawn, the risk lies left of the tick."
        )
    if points["doubtful"].any():
        words.append("Open circles: estimates marked “do not use”.")
    st.caption(" ".join(words))


def levels_view(shown: ShownForecast) -> None:
    """Draws how likely the riskiest is above each level, where the fit forecasts it."""
    if not shown.supported or not shown.goes_beyond_seen:
        return
    table = fits().levels(shown.key, shown.fitted, float(shown.n))
    theme, ink = _look()
    st.markdown(f"#### How risky the riskiest of {shown.n:,} may be")
    st.vega_lite_chart(
        charts.exceedance(table, shown.tau, theme=theme, ink=ink),
        key="tails.levels",
        width="stretch",
        alt="Chance that the riskiest question is above a risk level, over the levels",
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(_shown(table), hide_index=True, width="stretch", key="tails.levels_table")
        st.download_button(
            "Download (csv)",
            data=lambda: str(table.to_csv(index=False)).encode("utf-8"),
            file_name="tailscope-tail-levels.csv",
            on_click="ignore",
            key="tails.levels_csv",
            icon=":material/download:",
        )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    some = table.iloc[::4]
    return pd.DataFrame(
        {
            "Risk level": [risk_text(tau) for tau in some["tau"]],
            "Questions above it": [
                share_text(share, high) if math.isfinite(share) else "not known"
                for share, high in zip(some["share"], some["high"], strict=True)
            ],
            "Range": [
                risk_range(low, high) if math.isfinite(low) else ""
                for low, high in zip(some["low"], some["high"], strict=True)
            ],
            "Chance that the riskiest is above": [likely(one) for one in some["chance"]],
        }
    )


def _look() -> tuple[str, str]:
    theme = st.context.theme.type or "light"
    return theme, INK[theme]
