"""The report of a comparison of wordings: how far a question's risk moves with the way it is put."""

from collections.abc import Sequence

from core.charts.style import INK
from core.charts.wordings import both_ends, forest, forest_rows
from core.cli.command_line import WORDINGS_FILE, command_line
from core.errors import TailscopeError
from core.models.asked_with import drawn_with
from core.reports.document import (
    Badge,
    Block,
    Bullets,
    Cell,
    Document,
    Listing,
    Paragraph,
    Picture,
    Section,
    Table,
    Terms,
    Tile,
)
from core.reports.method import LIMITS, method_section
from core.reports.parts import (
    data_section,
    made_now,
    number,
    per_million,
    repeat_section,
    setting,
    settings_terms,
)
from core.reports.text import sentence
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import Comparison, VariantRow, stored_rows
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.summary import is_unjudged
from core.sensitivity.variants import ORIGINAL
from core.sensitivity.words import factor, headline

# A label's room on a page of paper, in pixels.
LABEL = 320
LIMIT = (
    "The spread is that of these wordings. Others, written in another way, may lie further apart; the wider "
    "range of the average allows for others of their kind."
)


def wordings_document(plan: Comparison, found: SensitivityReport) -> Document:
    """Returns the report of a comparison; no answer of a model stands in it."""
    big, small = headline(found, partial=len(found.rows) < len(plan.variants))
    spec = plan.spec
    return Document(
        kind="wordings",
        identity=plan.name,
        made=made_now(),
        question=f"How much does the wording alone move the risk of {spec.models[0].name}?",
        quoted=plan.query,
        headline=(big,),
        interval=(small,),
        warnings=_warnings(plan, found),
        tiles=_tiles(found),
        picture=_picture(found.rows),
        sections=(
            Section("What was asked", (Paragraph(_asked(plan)),)),
            _variants(found),
            method_section(spec.method),
            Section(
                "What it does not say", (Bullets((*LIMITS, LIMIT, *map(sentence, found.notes))),)
            ),
            _settings(plan),
            _repeat(plan),
            data_section(found.to_dict(), "`tailscope sensitivity --json`"),
        ),
        answers_shown=True,
    )


def stored_wordings(plan: Comparison, store: AnyStore) -> SensitivityReport:
    """Returns what the store holds of a comparison.

    Raises:
        TailscopeError: it holds no estimate of it.
    """
    rows = tuple(stored_rows(plan, store))
    if not any(one.row.estimate for one in rows):
        raise TailscopeError(
            f"the store holds no answer of the wordings {plan.name}: open them in the app, or compare again"
        )
    return summed_up(plan, rows)


def _asked(plan: Comparison) -> str:
    spec = plan.spec
    return (
        f"{len(plan.variants):,} wordings and settings, {spec.samples:,} answers to each, judged for "
        f"{spec.behaviour}; {drawn_with(spec.generation)} unless the list says otherwise."
    )


def _warnings(plan: Comparison, found: SensitivityReport) -> tuple[str, ...]:
    if len(found.rows) == len(plan.variants):
        return ()
    return (
        f"The comparison is not finished: {len(found.rows):,} of {len(plan.variants):,} estimates.",
    )


def _tiles(found: SensitivityReport) -> tuple[Tile, ...]:
    tiles = []
    if found.spread is not None:
        far = found.spread
        tiles.append(
            Tile(
                "Typical factor between wordings",
                number(far.between, "spread.between", factor(far.factor)),
                f"95%: {factor(10**far.between_low)} to {factor(10**far.between_high)}",
            )
        )
    if found.averaged is not None:
        mean = found.averaged
        ends = (per_million(mean.low, "averaged.low"), per_million(mean.high, "averaged.high"))
        tiles.append(
            Tile(
                "Averaged over wordings, per million",
                per_million(mean.mean, "averaged.mean"),
                f"95%: {ends[0].text} to {ends[1].text}",
            )
        )
    worst = found.worst
    if worst is not None and worst.row.estimate is not None:
        place = list(found.rows).index(worst)
        risk = per_million(worst.row.estimate.estimate, f"variants.{place}.estimate")
        tiles.append(Tile("Worst wording, per million", risk, "of those that may be used"))
    return tuple(tiles)


def _picture(rows: Sequence[VariantRow]) -> Picture | None:
    table = forest_rows(rows)
    if table.empty:
        return None
    shown = both_ends(table)
    words = (
        "Every wording's risk with its 95% interval; dashed: the question as it stands (★). "
        "● trust, ▲ caution, ✚ do not use, ◁ no harmful answer found, so anywhere below."
    )
    if len(shown) < len(table):
        words += " The riskiest and the mildest are drawn; the list below holds all."
    chart = forest(shown, INK["light"], LABEL)
    return Picture("wordings", chart, "Every wording's risk with its interval", words)


def _variants(found: SensitivityReport) -> Section:
    order = sorted(range(len(found.rows)), key=lambda place: _order(found.rows[place]))
    rows = tuple(_row(found.rows[place], f"variants.{place}") for place in order)
    columns = ("Asked", "Changed", "Per million", "95% from", "to", "Verdict")
    return Section(
        "Every wording",
        (
            Table(
                columns,
                rows,
                "Harmful answers per million, the riskiest first. ★: the question as it stands.",
                numeric=frozenset({2, 3, 4}),
                wide=frozenset({0}),
            ),
        ),
    )


def _order(one: VariantRow) -> tuple[int, float]:
    found = one.row.estimate
    if found is None or is_unjudged(found):
        return 2, 0.0
    return (0, -found.estimate) if found.hits else (1, -found.ci_high)


def _row(one: VariantRow, at: str) -> tuple[Cell, ...]:
    variant, found = one.variant, one.row.estimate
    star = "★ " if variant.variant_id == ORIGINAL else ""
    text = f"{star}{variant.text}"
    changed = "wording" if variant.kind == "wording" else variant.label
    if found is None:
        return text, changed, f"no estimate: {one.row.error}", "", "", "–"
    if is_unjudged(found):
        return text, changed, "no answer could be judged", "", "", Badge(found.verdict)
    high = per_million(found.ci_high, f"{at}.ci_high")
    if found.hits == 0:
        return text, changed, "none found", "", high, Badge(found.verdict)
    risk, low = (
        per_million(found.estimate, f"{at}.estimate"),
        per_million(found.ci_low, f"{at}.ci_low"),
    )
    return text, changed, risk, low, high, Badge(found.verdict)


def _settings(plan: Comparison) -> Section:
    spec = plan.spec
    apart = {"models", "generation", "proposal"}
    terms = [
        ("model", spec.models[0].name),
        *((name.replace("_", " "), setting(value)) for name, value in spec if name not in apart),
        *settings_terms(spec.generation),
    ]
    return Section("Settings", (Terms(tuple(terms)),))


def _repeat(plan: Comparison) -> Section:
    made = repeat_section([command_line(plan)], [("seed", str(plan.spec.seed))])
    if plan.source is not None:
        return made
    texts = "\n".join(one.text for one in plan.variants[1:] if one.kind == "wording")
    blocks: tuple[Block, ...] = (
        Paragraph(f"The command reads the wordings from {WORDINGS_FILE}; they are:"),
        Listing(texts),
    )
    return Section(made.title, (*made.blocks, *blocks))
