"""The report of an audit: many queries of one model or several, from its folder alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.audit.categories import category_risks
from core.audit.curves import Curve, repeated_sampling
from core.audit.folder import AuditFolder
from core.audit.report import AuditReport
from core.audit.results import COUNTS, in_table_order, read_results
from core.audit.stored_rows import rows_of
from core.audit.table import VERDICTS, verdict_counts
from core.audit.words import answer, names_of, short_name, subtitle
from core.charts.audit import repeated
from core.charts.style import INK
from core.cli.command_line import command_line
from core.estimation.evidence import Verdict
from core.reports.audit_sections import (
    category_section,
    curve_section,
    models_section,
    queries_section,
    rank_section,
    settings_section,
    spread_section,
)
from core.reports.document import (
    Badge,
    Bullets,
    Document,
    Paragraph,
    Phrase,
    Picture,
    Section,
    Value,
)
from core.reports.method import LIMITS, REDACTED, method_section
from core.reports.parts import data_section, made_now, number, repeat_section

# In pixels: the picture stands on the first screen of a laptop.
HEIGHT = 330
# Columns of the results that the report's data has, as the table has them.
RESULTS_SHOWN = ("query_id", "model", "estimate", "ci_low", "ci_high", "samples", "hits", "verdict")


def audit_document(folder: AuditFolder, *, answers_shown: bool = False) -> Document:
    """Returns the report of an audit. answers_shown: whether greedy answers stand in it.

    Raises:
        TailscopeError: the folder holds no results that can be read.
    """
    table = read_results(folder.path)
    report = audit_report(folder, table)
    curves = curves_of(folder, table)
    headline, small = answer(curves) if curves else ("No risk could be estimated", "")
    return Document(
        kind="audit",
        identity=folder.audit_id,
        made=made_now(),
        question=_question(folder),
        headline=(headline,),
        interval=(f"{small}. " if small else "", *_bands(folder, curves)),
        badges=_badges(table),
        reasons=_reasons(table),
        warnings=_warnings(folder, table),
        picture=_picture(folder, curves),
        sections=(
            _asked(folder, report),
            models_section(folder, report),
            *rank_section(folder, curves),
            *curve_section(folder, curves),
            *spread_section(folder, table),
            *category_section(category_risks(table)),
            method_section(folder.spec.method),
            Section(
                "What it does not say",
                (Bullets((*LIMITS, *report.notes, *(() if answers_shown else (REDACTED,)))),),
            ),
            settings_section(folder),
            _repeat(folder),
            queries_section(folder, table, answers_shown),
            data_section(_data(report, curves, table), "`tailscope audit --json`"),
        ),
        answers_shown=answers_shown,
    )


def audit_report(folder: AuditFolder, table: pd.DataFrame) -> AuditReport:
    """Returns what `audit` reports, from the folder alone; what drawing took is not known."""
    rows = rows_of(table, folder.spec, folder.manifest)
    if folder.queries is not None:
        rows = tuple(in_table_order(rows, folder.spec, folder.queries))
    told = {
        name: about.get("told", ()) for name, about in folder.manifest.get("models", {}).items()
    }
    return AuditReport(
        out=folder.path,
        rows=rows,
        spec=folder.spec,
        drawn=0,
        stored=0,
        seconds=0.0,
        notes=tuple(f"{name}: {one}" for name, every in told.items() for one in every),
    )


def curves_of(folder: AuditFolder, table: pd.DataFrame) -> list[Curve]:
    """Returns the curve of each model with an estimate, in the order of the spec."""
    return [
        repeated_sampling(rows)
        for model in folder.spec.models
        if (rows := table[table["model"] == model.name])["estimate"].notna().any()
    ]


def _question(folder: AuditFolder) -> str:
    names = [short_name(model.name) for model in folder.spec.models]
    who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    does = "does" if len(names) == 1 else "do"
    return f"How often {does} {who} give harmful answers ({folder.spec.behaviour})?"


def _bands(folder: AuditFolder, curves: Sequence[Curve]) -> Phrase:
    names = names_of(folder)
    parts: list[str | Value] = []
    for place, curve in enumerate(curves):
        low, high = (
            number(
                float(ends[-1]),
                f"curves.{place}.{field}.{len(curve.n) - 1}",
                f"{float(ends[-1]) * curve.queries:.3g}",
            )
            for ends, field in ((curve.low, "low"), (curve.high, "high"))
        )
        lead = "95% band: " if place == 0 else "; "
        parts += [f"{lead}{names[curve.model]} ", low, " to ", high, f" of {curve.queries:,}"]
    return tuple(parts)


def _badges(table: pd.DataFrame) -> tuple[Badge, ...]:
    counts = verdict_counts(table).sum()
    levels: tuple[Verdict, ...] = ("trust", "caution", "do not use")
    assert levels == VERDICTS
    return tuple(Badge(name, f"{counts[name]:,}") for name in levels if counts[name])


def _reasons(table: pd.DataFrame) -> tuple[str, ...]:
    failed = int(table["error"].fillna("").ne("").sum())
    lines = [f"Verdicts on {len(table):,} estimates, one for each query and model."]
    if failed:
        lines.append(f"{failed:,} have no estimate; the list of queries says why.")
    return tuple(lines)


def _warnings(folder: AuditFolder, table: pd.DataFrame) -> tuple[str, ...]:
    if len(table) >= folder.total:
        return ()
    return (f"The audit is not finished: {len(table):,} of {folder.total:,} estimates.",)


def _picture(folder: AuditFolder, curves: Sequence[Curve]) -> Picture | None:
    if not curves:
        return None
    notes = [
        "Share of queries with at least one harmful answer, by how often each is asked. Inner band: where "
        "these queries' share lies, 95%; outer band: where it lies for all queries of which these are a "
        "random sample, 95%. Diamonds: the likeliest answer alone."
    ]
    if any(curve.direct is not None for curve in curves):
        notes.append("Circles: counted among the Monte Carlo answers.")
    return Picture(
        "repeated-sampling",
        repeated(curves, names_of(folder), INK["light"]) | {"height": HEIGHT},
        "Share of queries with at least one harmful answer, by how often each is asked",
        " ".join(notes),
    )


def _asked(folder: AuditFolder, report: AuditReport) -> Section:
    blocks = [Paragraph(subtitle(folder))]
    failed = sum(bool(row.error) for row in report.rows)
    if failed:
        blocks.append(
            Paragraph(f"{failed:,} of {len(report.rows):,} rows have no estimate.", warning=True)
        )
    return Section("What was asked", tuple(blocks))


def _repeat(folder: AuditFolder) -> Section:
    terms = [("seed", str(folder.spec.seed)), ("made", str(folder.manifest.get("written", "")))]
    for name, about in folder.manifest.get("models", {}).items():
        terms.append((f"fingerprint of {short_name(name)}", str(about.get("fingerprint", ""))))
    terms.append(("hash of the queries", str(folder.manifest["queries"].get("hash", ""))))
    known = folder.manifest.get("versions", {})
    made_with = {str(name): str(one) for name, one in known.items()}
    return repeat_section([command_line(_by_name(folder))], terms, made_with)


def _by_name(folder: AuditFolder) -> AuditFolder:
    """Returns the folder without the path to it: a report goes to others, whom it does not concern."""
    name, file = Path(folder.path.resolve().name), folder.queries_file
    if file is not None:
        file = name / file.name if file.parent == folder.path else Path(file.name)
    named = {**folder.manifest, "queries_file": None if file is None else str(file)}
    return replace(folder, path=name, manifest=named)


def _data(report: AuditReport, curves: Sequence[Curve], table: pd.DataFrame) -> dict[str, Any]:
    """Returns the JSON of `audit`, without what drawing took, and the curves and rows that are shown."""
    values = report.to_dict()
    for unknown in ("out", "drawn", "from_store", "seconds"):
        del values[unknown]
    values["curves"] = [
        {
            "model": curve.model,
            "n": curve.n.tolist(),
            "queries": curve.queries,
            "greedy": _plain(curve.greedy),
            **{
                name: [_plain(one) for one in getattr(curve, name).tolist()]
                for name in ("share", "low", "high", "choice_low", "choice_high")
            },
        }
        for curve in curves
    ]
    # A count among rows without one is a float to pandas.
    whole = {name: "Int64" for name in RESULTS_SHOWN if name in COUNTS}
    shown = table[list(RESULTS_SHOWN)].astype(whole).astype(object)
    values["results"] = shown.where(shown.notna(), None).to_dict("records")
    return values


def _plain(value: float) -> float | None:
    return float(value) if value == value else None
