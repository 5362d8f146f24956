"""The sections of a run's report: figures, proposals, the heaviest answers, settings."""

import json
import math
from collections.abc import Mapping

from core.charts.convergence import arm_names
from core.proposals.words import component_names
from core.reports.document import (
    Block,
    Cell,
    Listing,
    Paragraph,
    Section,
    Spoken,
    Table,
    Terms,
)
from core.reports.parts import number, per_million, setting, settings_terms
from core.runs.figures import FIGURES, SECOND_LABEL, SECOND_MEANING, in_figures, names_of
from core.runs.report import EstimateReport
from core.runs.weight_tables import answer_weights, distinct_answers

HEAVIEST = 12
HEAVY = ["text", "share", "log10_weight", "times", "component"]


def figures_section(reports: Mapping[str, EstimateReport]) -> Section:
    """Returns each arm's figures, with what each means."""
    known = arm_names(reports["weighted"].request.method)
    names = [known[name] for name in reports]
    rows: list[tuple[Cell, ...]] = [
        (
            "Risk, per million",
            *(
                per_million(
                    one.estimate.estimate,
                    f"{name}.estimate",
                    None if one.estimate.hits else "no hit",
                )
                for name, one in reports.items()
            ),
            "The share of harmful answers; without a hit only the upper ends say something.",
        )
    ]
    for label, ends in (("interval", "ci"), ("anytime-valid band", "cs")):
        rows += [
            (
                f"{label}, {side}",
                *(
                    per_million(getattr(one.estimate, f"{ends}_{side}"), f"{name}.{ends}_{side}")
                    for name, one in reports.items()
                ),
                "Per million.",
            )
            for side in ("low", "high")
        ]
    rows += [
        (
            label,
            *(
                number(
                    getattr(one.estimate, field),
                    f"{name}.{field}",
                    in_figures(getattr(one.estimate, field)),
                )
                for name, one in reports.items()
            ),
            what,
        )
        for field, label, what in FIGURES
    ]
    second = reports["weighted"].estimate.second
    if second is not None:
        for side in ("low", "high"):
            value = per_million(getattr(second, side), f"weighted.second.{side}")
            rest = ["–"] * (len(reports) - 1)
            rows.append((f"{SECOND_LABEL}, {side}", value, *rest, SECOND_MEANING))
    numeric = frozenset(range(1, len(names) + 1))
    last = len(names) + 1
    return Section(
        "Figures",
        (
            Table(
                ("", *names, "What it means"),
                tuple(rows),
                numeric=numeric,
                wide=frozenset({last}),
            ),
        ),
    )


def components_section(report: EstimateReport) -> tuple[Section, ...]:
    """Returns what each proposal says alone; nothing where there was none."""
    found = report.estimate
    if not found.components:
        return ()
    names = names_of(found, component_names(report.request.proposals))
    rows: list[tuple[Cell, ...]] = []
    for place, (name, one) in enumerate(zip(names, found.components, strict=True)):
        at = f"weighted.components.{place}"
        low, high = (per_million(getattr(one, end), f"{at}.{end}") for end in ("low", "high"))
        alone = per_million(one.estimate, f"{at}.estimate", None if one.hits else "no hit")
        rows.append(
            (
                name,
                number(one.rows, f"{at}.rows", f"{one.rows:,}"),
                number(one.hits, f"{at}.hits", f"{one.hits:,}"),
                number(one.contribution, f"{at}.contribution", _share(one.contribution)),
                alone,
                low,
                high,
                number(one.mean_weight, f"{at}.mean_weight", in_figures(one.mean_weight)),
            )
        )
    columns = (
        *("Drawn by", "Answers", "Harmful", "Share of the estimate", "Alone, per million"),
        *("99.9% from", "to", "Mean weight"),
    )
    words = (
        "Each proposal alone gives an estimate of its own. They must agree, within their errors; the "
        "combined one is sharper than any of them."
    )
    table = Table(columns, tuple(rows), numeric=frozenset(range(1, 8)))
    return (Section("What each proposal says alone", (Paragraph(words), table)),)


def _share(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "–"


def heaviest_section(report: EstimateReport) -> Section:
    """Returns the heaviest harmful answers, as text that the document shows or redacts."""
    title = "The answers that carry the weight"
    if report.request.method == "ahead":
        title = "The beginnings of answers after which harm is likeliest"
    assert report.loaded is not None, "a run's report holds its model"
    answers = answer_weights(report.loaded, report.shards, report.request)
    harmful = answers[answers["harmful"]]
    if harmful.empty:
        return Section(title, (Paragraph("There is none: no harm was met."),))
    table = distinct_answers(harmful)
    names = component_names(report.request.proposals)
    rows = tuple(
        (
            Spoken(str(text)),
            _share(float(share)),
            f"{10 ** float(weight):.2g}",
            f"{times:,}",
            names[int(component)],
        )
        for text, share, weight, times, component in table[HEAVY].head(HEAVIEST).to_numpy().tolist()
    )
    columns = ("Answer", "Of the estimate", "Weight", "Times", "Drawn by")
    kind = "beginnings" if report.request.method == "ahead" else "harmful draws"
    count = f"{len(harmful):,} {kind}, {len(table):,} different"
    shown = f"; the {HEAVIEST} heaviest are shown" if len(table) > HEAVIEST else ""
    words = Paragraph(f"{count}{shown}.")
    wide, numeric = frozenset({0}), frozenset({1, 2, 3})
    return Section(title, (words, Table(columns, rows, numeric=numeric, wide=wide)))


def settings_section(report: EstimateReport) -> Section:
    """Returns all that the answers were drawn and judged with."""
    request = report.request
    terms: list[tuple[str, Cell]] = [
        ("question", request.query),
        ("model", request.model),
        ("behaviour", request.behaviour),
        ("method", request.method),
        ("threshold", number(request.threshold, "weighted.threshold", f"{request.threshold:g}")),
        ("defensive share", f"{request.defensive_share:g}"),
        *settings_terms(request.generation),
        *((f"loading: {name}", setting(value)) for name, value in request.loading),
    ]
    blocks: list[Block] = [Terms(tuple(terms))]
    for name, proposal in zip(component_names(request.proposals), request.proposals, strict=False):
        spelled = json.dumps(proposal.model_dump(mode="json"), ensure_ascii=True)
        blocks += [Paragraph(f"Proposal: {name}"), Listing(spelled)]
    return Section("Settings", tuple(blocks))
