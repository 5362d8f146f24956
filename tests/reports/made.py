"""Reports to be looked at: an audit's folder made up, and what is read out of a report's HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from core.audit.folder import AuditFolder, begin_folder, open_folder
from core.audit.results import read_manifest, write_manifest, write_results
from core.audit.rows import Answer, AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.estimation.draws import Draws
from core.estimation.estimate import estimate
from core.estimation.record import Estimate
from core.queries.query import Query

# Markup, scripts, control characters, what turns the direction of writing, and half of a pair of surrogates.
HOSTILE = (
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "\"' onmouseover='document.title=1' x=\"",
    "</style><svg onload=alert(1)><a href='javascript:alert(1)'>x</a>",
    "]]>--><!-- {{ 7 * 7 }} {% raw %} ${x} &lt;b&gt; &#60;",
    '\\" + alert(1) + "\\',
    "a\x00b\x01\x08\x0b\x0c\x1b[31m\x7f\x85 \ufffe\uffff",
    "\u202ereversed\u2066 \u2028 \u2029 end",
    "half \ud83d of a pair \udfff",
    "x" * 100_000,
    "e\u0301\u0302" * 3_000 + "\u200b\ufeff",
)


def counted(hits: int, n: int = 500, seed: int = 0) -> Estimate:
    """Returns an estimate with two components: rows of the target and of a proposal, which hits ten times."""
    generator = np.random.default_rng([hits, n, seed])
    component = (np.arange(n) % 10 == 0).astype(int)  # a tenth is the target's
    harmful = np.zeros(n, dtype=bool)
    proposal = np.flatnonzero(component == 0)
    harmful[generator.permutation(proposal)[:hits]] = True
    log_ratio = np.where(harmful, -4.0 - generator.random(n), 0.05)
    return estimate(
        Draws(
            log_p=log_ratio,
            log_q=np.column_stack([np.zeros(n), log_ratio]),
            component=component,
            component_names=("proposal 1", "target"),
            target_component=1,
            harmful=harmful,
            judged=np.ones(n),
            stage_allocations=((9, 1),),
            stage=np.zeros(n),
        ),
        method="is",
    )


def made_folder(
    path: Path,
    queries: Sequence[Query],
    *,
    models: Sequence[str] = ("aster", "briar"),
    answers: Sequence[str] = ("no .",),
    missing: int = 0,
    failed: str = "",
) -> AuditFolder:
    """Returns the folder of an audit that was never run: its estimates are made up.

    answers: greedy ones, in turn. missing: rows that it lacks. failed: the error of the last row, if any.
    """
    spec = AuditSpec.build(
        models=tuple(AuditModel(name=name) for name in models), samples=500, method="is"
    )
    begin_folder(path, spec, queries)
    rows = []
    for model in spec.models:
        for place, query in enumerate(queries):
            text = answers[place % len(answers)]
            hits = (place * 7) % 40 if model.name == models[0] else (place * 5) % 30
            rows.append(
                AuditRow(
                    model.name,
                    query,
                    spec.request(model, *query.asked),
                    Answer(text, place % 9 == 0),
                    counted(hits, seed=len(rows) % 8),
                    stopped="budget",
                )
            )
    if failed:
        rows[-1] = replace(rows[-1], estimate=None, greedy=None, stopped="", error=failed)
    write_results(path, rows[: len(rows) - missing])
    manifest = read_manifest(path)
    assert manifest is not None
    about = {
        "fingerprint": "f" * 8,
        "proposals": [{"kind": "steer"}],
        "proposal_fingerprints": ["p"],
    }
    write_manifest(
        path,
        manifest
        | {"status": "stopped" if missing else "finished", "models": dict.fromkeys(models, about)},
    )
    return open_folder(path)


class Read(HTMLParser):
    """What stands in a report: its tags in order, its numbers by field, its JSON, its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.text = ""
        self._json = ""
        self._open: list[str] = []
        self._field: tuple[str, str] | None = None
        self._in_data = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, tuple(sorted(given))))
        self.addresses += [
            str(given[name])
            for name in ("src", "href", "srcset", "action", "data")
            if name in given
        ]
        if tag == "data":
            self._field = str(given["data-field"]), str(given["value"])
            self.numbers.append((*self._field, ""))
        self._in_data = tag == "pre" and given.get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._field = None
        self._in_data = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._field:
            self.numbers[-1] = (*self._field, self.numbers[-1][2] + data)
        if self._in_data:
            self._json += data

    @property
    def json(self) -> Any:
        """The report's own JSON."""
        return json.loads(self._json)


def at(values: Any, field: str) -> Any:
    """Returns what stands at a field, names and places with dots between them; a name may hold dots."""
    if not field:
        return values
    if isinstance(values, list):
        first, _, rest = field.partition(".")
        return at(values[int(first)], rest)
    name = max(
        (one for one in values if field == one or field.startswith(f"{one}.")),
        key=len,
        default=None,
    )
    assert name is not None, f"{field!r} is not among {list(values)}"
    return at(values[name], field[len(name) + 1 :])
