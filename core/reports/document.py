"""A report as data: what stands on its first screen and in its sections. How it looks is the template's."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.charts.style import Chart
from core.estimation.evidence import Verdict


@dataclass(frozen=True)
class Value:
    """A number as it is shown, and as the JSON of the command has it.

    field: where it stands in that JSON, with dots between names; value: None where it is not known.
    """

    text: str
    value: float | None
    field: str


@dataclass(frozen=True)
class Spoken:
    """What a model said: shown only where answers are asked for."""

    text: str


@dataclass(frozen=True)
class Badge:
    """A verdict; text: what its mark says beside it, as how many queries have it."""

    verdict: Verdict
    text: str = ""


Cell = str | Value | Spoken | Badge
# From so many characters on a headline is no number with its unit.
SENTENCE_CHARACTERS = 45
# A line of words and numbers.
Phrase = tuple[str | Value, ...]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; warning: whether it must not be overlooked."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table. numeric: the columns set flush right. wide: those that may take the room."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    wide: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A chart. name: of its file. alt: what it shows, for those who do not see it."""

    name: str
    chart: Chart
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Terms:
    """Terms with what each means, or settings with their values."""

    items: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Listing:
    """Text as it is: a command, a file. data: whether it is this report's JSON."""

    text: str
    data: bool = False


Block = Paragraph | Bullets | Table | Picture | Terms | Listing


@dataclass(frozen=True)
class Section:
    """A part of a report under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Tile:
    """One figure of the first screen; note: the small line below it."""

    label: str
    value: Value
    note: str = ""


@dataclass(frozen=True)
class Document:
    """A report.

    kind: run, audit, wordings or tail. identity: the id in the store or of the audit. made: when, and with
    which version. question: what a stakeholder asks; quoted: the query, where it is about one. headline,
    interval: the answer. badges: the verdict, or how many queries have which. reasons: of the verdict.
    warnings: what must be known before the number. picture: one, the most telling.
    """

    kind: str
    identity: str
    made: str
    question: str
    headline: Phrase
    interval: Phrase
    sections: tuple[Section, ...]
    quoted: str = ""
    badges: tuple[Badge, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tiles: tuple[Tile, ...] = ()
    picture: Picture | None = None
    answers_shown: bool = field(default=False, kw_only=True)

    @property
    def in_a_sentence(self) -> bool:
        """Whether the headline is a sentence, which takes smaller letters than a number."""
        said = "".join(part if isinstance(part, str) else part.text for part in self.headline)
        return len(said) > SENTENCE_CHARACTERS

    def pictures(self) -> Iterator[Picture]:
        """Yields all pictures, that of the first screen first."""
        if self.picture is not None:
            yield self.picture
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))
