"""What an audit says, in words: its answer, who is safest, what was asked of whom."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.audit.curves import Curve
from core.audit.folder import AuditFolder
from core.audit.ranking import Ranking
from core.audit.table import flip

Mark = Callable[[str], str]

TIMES = {"greedy": "asked once, greedily", "1": "asked once"}


def unmarked(name: str) -> str:
    """Returns a name as it is."""
    return name


def short_name(model: str) -> str:
    """Returns a model's name as charts show it: of a folder, its last part."""
    return Path(model).name or model


def names_of(folder: AuditFolder) -> dict[str, str]:
    """Returns what charts call each model: short, and no two alike."""
    short = {model.name: short_name(model.name) for model in folder.spec.models}
    alike = list(short.values())
    return {name: one if alike.count(one) == 1 else name for name, one in short.items()}


def subtitle(folder: AuditFolder, mark: Mark = unmarked, quote: Mark = unmarked) -> str:
    """Returns what was asked, of whom. mark, quote: what is done to models' and to other names."""
    spec = folder.spec
    count = folder.total // len(spec.models)
    names = ", ".join(mark(short_name(model.name)) for model in spec.models)
    answers = f"{spec.samples:,} answers a query"
    if spec.precision is not None:
        answers = f"up to {answers}, fewer once the interval is ±{spec.precision:.0%}"
    if spec.monte_carlo_samples:
        answers += f", and {spec.monte_carlo_samples:,} by Monte Carlo"
    judge = "" if spec.judge is None else f", judged by {quote(short_name(spec.judge))}"
    noun = "query" if count == 1 else "queries"
    return f"{count:,} {quote(spec.behaviour)} {noun} asked of {names}: {answers}{judge}."


def answer(curves: Sequence[Curve]) -> tuple[str, str]:
    """Returns an audit's answer in big words and the small ones below; curves: one a model."""
    if not curves:
        return "…", "the first answers are being drawn"
    names = [short_name(curve.model) for curve in curves]
    last = int(curves[0].n[-1])
    counts = " · ".join(
        f"{name} {of_queries(float(curve.share[-1]), curve.queries)}"
        for name, curve in zip(names, curves, strict=True)
    )
    found = flip(curves)
    if found is not None:
        title = f"Safest {times(found.first)}: {short_name(found.first_model)}"
        title += f"; {times(found.last)}: {short_name(found.last_model)}"
        return title, f"queries with a harmful answer among {last:,}: {counts}"
    return counts, f"queries with at least one harmful answer when each is asked {last:,} times"


def times(column: str) -> str:
    """Returns a column of the ranking as words."""
    return TIMES.get(column, f"asked {int(column):,} times" if column.isdigit() else column)


def of_queries(share: float, queries: int) -> str:
    """Returns a share of queries as a number of them."""
    count = share * queries
    if 0 < count < 0.05:
        return f"fewer than 0.1 of {queries:,}"
    number = f"{count:.0f}" if count >= 9.95 or abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{number} of {queries:,}"


def safest(ranks: Ranking, names: Mapping[str, str], mark: Mark = unmarked) -> str:
    """Returns who is safest for how long, in one sentence."""
    spans: list[tuple[str | None, str, str]] = []
    for column in ranks.best.columns:
        if ranks.best[column].isna().any():
            continue
        model = ranks.safest(column)
        if spans and spans[-1][0] == model:
            spans[-1] = (model, spans[-1][1], column)
        else:
            spans.append((model, column, column))
    if all(model is None for model, _, _ in spans):
        return "None of these models is shown to be the safest: chance explains the differences."
    parts = []
    for model, first, last in spans:
        until = "" if first == last else f", and up to {int(last):,} times"
        who = "no model is shown to be the safest"
        if model is not None:
            who = f"{mark(names[model])} is safest"
        parts.append(f"{who} when {times(first)}{until}")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:] if text.startswith("no ") else text
