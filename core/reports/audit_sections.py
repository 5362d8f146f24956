"""The sections of an audit's report: models, ranks, curves, the spread of risks, categories, every query."""

import json
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from core.audit.categories import CategoryRisk
from core.audit.curves import Curve
from core.audit.folder import AuditFolder
from core.audit.ranking import rankings
from core.audit.report import AuditReport
from core.audit.table import GREEDY, risk_bins, shown
from core.audit.words import names_of, safest, short_name
from core.charts.audit import histogram
from core.charts.style import INK
from core.estimation.evidence import Verdict
from core.reports.document import (
    Badge,
    Block,
    Bullets,
    Cell,
    Listing,
    Paragraph,
    Picture,
    Section,
    Spoken,
    Table,
    Terms,
    Value,
)
from core.reports.parts import number, per_million, setting, settings_terms


def models_section(folder: AuditFolder, report: AuditReport) -> Section:
    """Returns each model in a few numbers."""
    names = names_of(folder)
    rows: list[tuple[Cell, ...]] = []
    lines = []
    for name, found in report.summaries().items():
        at = f"models.{name}"
        top = found.riskiest
        highest: Cell = "none found"
        if top is not None:
            highest = per_million(top.estimate, f"{at}.highest")
        rows.append(
            (
                names[name],
                number(found.queries, f"{at}.queries", f"{found.queries:,}"),
                number(found.greedy_harmful, f"{at}.greedy_harmful", f"{found.greedy_harmful:,}"),
                "only bounded"
                if found.median is None
                else per_million(found.median, f"{at}.median"),
                per_million(found.median_low, f"{at}.median_low"),
                per_million(found.median_high, f"{at}.median_high"),
                highest,
                number(found.zero_hits, f"{at}.zero_hits", f"{found.zero_hits:,}"),
                number(found.unusable, f"{at}.unusable", f"{found.unusable:,}"),
            )
        )
        lines += [f"{names[name]}: {line}." for line in found.to_lines()]
    columns = (
        *("Model", "Queries", "Harmful greedily", "Median risk", "Intervals allow", "to"),
        *("Highest risk", "No harm found", "Not usable"),
    )
    table = Table(columns, tuple(rows), "Risks per million.", frozenset(range(1, 9)))
    return Section("Model by model", (table, Bullets(tuple(lines))))


def rank_section(folder: AuditFolder, curves: Sequence[Curve]) -> tuple[Section, ...]:
    """Returns the ranks of several models as far as chance does not explain them."""
    if len(curves) < 2:
        return ()
    names, ranks = names_of(folder), rankings(curves)
    rows = [
        (
            names[curve.model],
            *(
                _rank(ranks.best.loc[curve.model, column], ranks.worst.loc[curve.model, column])
                for column in ranks.best.columns
            ),
        )
        for curve in curves
    ]
    columns = (
        "Model",
        *("greedy" if one == "greedy" else f"{int(one):,} times" for one in ranks.best.columns),
    )
    caption = "1: the safest. Two ranks where chance may explain the difference."
    table = Table(columns, tuple(rows), caption)
    return (Section("Which is safer", (Paragraph(safest(ranks, names)), table)),)


def _rank(best: object, worst: object) -> str:
    if pd.isna(best):  # type: ignore[call-overload]
        return "not known"
    return f"{best}" if best == worst else f"{best} or {worst}"


def curve_section(folder: AuditFolder, curves: Sequence[Curve]) -> tuple[Section, ...]:
    """Returns the numbers behind the curves of repeated sampling."""
    if not curves:
        return ()
    names = names_of(folder)
    rows: list[tuple[Cell, ...]] = []
    for place, curve in enumerate(curves):
        for row, n in enumerate(curve.n.tolist()):
            ends = ("share", "low", "high", "choice_low", "choice_high")
            cells = (
                _percent(float(getattr(curve, name)[row]), f"curves.{place}.{name}.{row}")
                for name in ends
            )
            rows.append((names[curve.model], f"{n:,}", *cells))
    columns = (
        *("Model", "Asked", "Queries with harm", "These queries, 95% from", "to"),
        *("All such queries, 95% from", "to "),
    )
    notes = tuple(
        f"{names[curve.model]}: {curve.zero_hits:,} queries without a harmful answer count as harmless in "
        "the share, and with all that their answers leave possible in the upper ends."
        for curve in curves
        if curve.zero_hits
    )
    blocks: list[Block] = [Table(columns, tuple(rows), numeric=frozenset(range(1, 7)))]
    if notes:
        blocks.append(Bullets(notes))
    return (Section("Asked again and again", tuple(blocks)),)


def _percent(value: float, field: str) -> Value:
    return number(value, field, f"{value * 100:.3g}%" if math.isfinite(value) else "not known")


def spread_section(folder: AuditFolder, table: pd.DataFrame) -> tuple[Section, ...]:
    """Returns how the queries' risks are spread."""
    names, bins = names_of(folder), risk_bins(table)
    if bins.empty:
        return ()
    zero = bins[bins["zero"].astype(bool)]
    blocks: list[Block] = []
    if len(bins) > len(zero):
        picture = histogram(bins, names, INK["light"])
        alt = "Histogram of the queries' risks on a log axis, by model"
        blocks.append(Picture("risks", picture, alt, "How many queries have which risk."))
    if len(zero):
        pairs = zip(zero["model"].tolist(), zero["queries"].tolist(), strict=True)
        counts = ", ".join(f"{names[str(model)]} {count:,}" for model, count in pairs)
        blocks.append(Paragraph(f"Queries without any harmful answer, so without a bar: {counts}."))
    return (Section("How the risks are spread", tuple(blocks)),)


def category_section(found: Sequence[CategoryRisk]) -> tuple[Section, ...]:
    """Returns the mean risk by category; nothing where there are fewer than two."""
    if len({one.category for one in found}) < 2:
        return ()
    rows: list[tuple[Cell, ...]] = []
    for place, one in enumerate(found):
        at = f"categories.{place}"
        risk: Cell = "none found"
        if one.zero_hits < one.queries:
            risk = per_million(one.risk, f"{at}.risk")
        ends = (
            per_million(getattr(one, name), f"{at}.{name}")
            for name in ("low", "high", "choice_low", "choice_high")
        )
        count = number(one.queries, f"{at}.queries", f"{one.queries:,}")
        rows.append((one.category, short_name(one.model), count, risk, *ends))
    columns = (
        *("Category", "Model", "Queries", "Per million", "95% from", "to"),
        *("Over their choice from", "to "),
    )
    words = (
        "Mean risk of a category's queries. The first range is what these estimates leave open; the second "
        "holds for other queries of the category too: two categories differ if their second ranges lie "
        "apart."
    )
    table = Table(columns, tuple(rows), numeric=frozenset(range(2, 8)))
    return (Section("By category", (Paragraph(words), table)),)


def settings_section(folder: AuditFolder) -> Section:
    """Returns the audit's spec, and the proposals that each model was asked through."""
    spec = folder.spec
    apart = {"models", "generation", "proposal"}
    terms = [
        ("models", ", ".join(model.name for model in spec.models)),
        *((name.replace("_", " "), setting(value)) for name, value in spec if name not in apart),
        *settings_terms(spec.generation),
    ]
    blocks: list[Block] = [Terms(tuple(terms))]
    about: Mapping[str, Mapping[str, object]] = folder.manifest.get("models", {})
    for name, noted in about.items():
        for proposal in _listed(noted.get("proposals")):
            blocks += [
                Paragraph(f"Proposal for {short_name(name)}:"),
                Listing(json.dumps(proposal, ensure_ascii=True)),
            ]
    return Section("Settings", tuple(blocks))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def queries_section(folder: AuditFolder, table: pd.DataFrame, answers_shown: bool) -> Section:
    """Returns every query with its risk, the riskiest first; those without a harmful answer last."""
    names, listed = names_of(folder), shown(table.reset_index(drop=True))
    order = listed.sort_values("risk", ascending=False, na_position="last", kind="stable").index
    more = [name for name in ("category", "system") if listed[name].fillna("").ne("").any()]
    several = len(folder.spec.models) > 1
    columns = [
        "Query",
        *(["Model"] if several else []),
        *("Per million", "95% from", "to", "Verdict", "Asked greedily", "Answers"),
        *(["Counted"] if listed["counted"].notna().any() else []),
        *map(str.capitalize, more),
        *(["Greedy answer"] if answers_shown else []),
    ]
    rows = []
    for place in order.tolist():
        row, said = listed.loc[place], table.iloc[place]
        cells: list[Cell] = [str(row["query"])]
        if several:
            cells.append(names[str(row["model"])])
        cells += _risk_cells(row, said, f"results.{place}")
        verdict: Verdict = row["verdict"]
        cells += [Badge(verdict), _greedy(said), _count(row["samples"], f"results.{place}.samples")]
        if "Counted" in columns:
            cells.append(row["counted"] or "–")
        cells += [str(row[name] or "–") for name in more]
        if answers_shown:
            cells.append(Spoken("" if pd.isna(said["greedy_text"]) else str(said["greedy_text"])))
        rows.append(tuple(cells))
    first = 2 if several else 1
    wide = frozenset({0, len(columns) - 1} if answers_shown else {0})
    caption = (
        "Harmful answers per million. No number: no harmful answer was drawn, and the upper end says "
        "what that excludes."
    )
    numeric = frozenset({first, first + 1, first + 2, first + 5})
    return Section("Every query", (Table(tuple(columns), tuple(rows), caption, numeric, wide),))


def _risk_cells(row: pd.Series, said: pd.Series, at: str) -> list[Cell]:
    if row["error"]:
        return [f"no estimate: {row['error']}", "", ""]
    high = per_million(float(said["ci_high"]), f"{at}.ci_high")
    if pd.isna(row["risk"]):
        return ["none found", "", high]
    low = per_million(float(said["ci_low"]), f"{at}.ci_low")
    return [per_million(float(said["estimate"]), f"{at}.estimate"), low, high]


def _greedy(said: pd.Series) -> str:
    harmful = said["greedy_harmful"]
    return "not known" if pd.isna(harmful) else GREEDY[bool(harmful)]


def _count(value: object, field: str) -> Cell:
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"
    count = int(value)  # type: ignore[call-overload]
    return number(count, field, f"{count:,}")
