"""A result as a card of HTML, for notebooks. All text is escaped: what a model said may hold markup."""

from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, Template

VERDICT_COLOURS = {"trust": "#007a5a", "caution": "#8a6d00", "do not use": "#b3261e"}
_CARD = """\
<div style="border:1px solid #8884;border-radius:8px;padding:12px 16px;max-width:48rem">
  <div style="opacity:.75">{{ card.lead }}</div>
  <div style="font-size:1.5em;font-weight:650">{{ card.headline }}</div>
  {%- if card.interval %}<div>{{ card.interval }}</div>{% endif %}
  {%- if card.verdict %}
  <div style="margin-top:6px"><b style="color:{{ colour }}">{{ card.verdict }}</b></div>
  {%- endif %}
  {%- if card.reasons %}
  <ul style="margin:4px 0">
    {%- for reason in card.reasons %}<li>{{ reason }}</li>{% endfor %}
  </ul>
  {%- endif %}
  {%- if card.rows %}
  <table style="margin-top:6px;text-align:left">
    {%- if card.columns %}
    <tr>{% for name in card.columns %}<th>{{ name }}</th>{% endfor %}</tr>
    {%- endif %}
    {%- for row in card.rows %}
    <tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
    {%- endfor %}
  </table>
  {%- endif %}
</div>"""


@dataclass(frozen=True)
class Card:
    """What a card says. lead: what was asked. rows: of a small table, under columns if these have names."""

    lead: str
    headline: str
    interval: str = ""
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@lru_cache(maxsize=1)
def _template() -> Template:
    return Environment(autoescape=True).from_string(_CARD)


def html_of(card: Card) -> str:
    """Returns the card as HTML that loads nothing.

    >>> "<script>" in html_of(Card("<script>", "0"))
    False
    """
    return _template().render(card=card, colour=VERDICT_COLOURS.get(card.verdict, "inherit"))
