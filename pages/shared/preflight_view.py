"""What was found about a model before it is loaded, as a list that can be read at a glance."""

import html

import streamlit as st

from core.models.findings import Finding, Preflight
from pages.shared.frame import plain

# Sign and colour of each level, the gravest first.
LEVELS = {
    "refused": ("✕", "#d1495b"),
    "warning": ("!", "#c77700"),
    "note": ("i", "#2b87c6"),
    "ok": ("✓", "#2e9e6b"),
}
STYLE = """<style>
.ts-findings {display: grid; gap: .55rem; margin: .2rem 0 .6rem}
.ts-finding {display: grid; grid-template-columns: 1.5rem 1fr; gap: .7rem; line-height: 1.4}
.ts-finding b {display: grid; place-items: center; width: 1.5rem; height: 1.5rem; border-radius: 50%;
  color: #fff; font-size: .85rem}
.ts-finding span {overflow-wrap: anywhere} .ts-finding em {opacity: .75; font-style: normal}
</style>"""


def preflight_view(found: Preflight) -> None:
    """Draws the findings, the gravest first; the first that rules the model out as an error."""
    refused = found.refused
    if refused:
        st.error(plain(_words(refused[0])), icon=":material/block:")
    rest = [one for one in found.findings if not refused or one is not refused[0]]
    told = [one for one in _in_order(rest) if one.level != "ok"]
    fine = [one for one in rest if one.level == "ok"]
    if told:
        _list(told)
    if fine and not refused:
        _list(fine)
    elif fine:
        with st.expander(f"{len(fine)} checks that it passed", icon=":material/check:"):
            _list(fine)


def _in_order(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: list(LEVELS).index(one.level))


def _words(finding: Finding) -> str:
    return f"{finding.message} {finding.what_to_do}".strip()


def _list(findings: list[Finding]) -> None:
    """Draws findings. Their words quote a stranger's files: they are escaped, never rendered."""
    rows = "".join(map(_row, findings))
    st.html(f"{STYLE}<div class='ts-findings'>{rows}</div>")


def _row(finding: Finding) -> str:
    sign, color = LEVELS[finding.level]
    todo = f" <em>{html.escape(finding.what_to_do)}</em>" if finding.what_to_do else ""
    return (
        f"<div class='ts-finding'><b style='background: {color}' role='img' "
        f"aria-label='{finding.level}'>{sign}</b><span>{html.escape(finding.message)}{todo}</span></div>"
    )
