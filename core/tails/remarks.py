"""What is said of a forecast or of a sample that has none, as data, and the sentences made of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from string import Template
from types import MappingProxyType
from typing import Any

from core.errors import SpecError
from core.tails.sentences import SENTENCES, Level

COMMAND_LINE_WORDS = {
    "leave_them_out": "leave them out with --leave-out-doubtful",
    "leave_it_out": "leave it out with --leave-out-doubtful",
    "with_noise": "noise_left_in has it with the noise",
    "empirical_fit": "the empirical fit",
    "take_posterior": "take the estimator posterior",
    "take_gumbel_or_pot": "take gumbel or pot",
    "take_gumbel": "fit a gumbel tail",
    "take_pot": "take pot",
    "group_nothing": "give --group none",
    "lower_threshold": "lower the threshold",
    "lower_it": "lower it",
    "raise_largest": "raise largest",
    "no_bound": "no bound (ci_high)",
    "known_from_above": "are taken as known from above only",
    "known_from_above_one": "is taken as known from above only",
    "one_hit": "a single hit",
}
AUDIT_WORDS = {
    "more_queries": "audit more queries",
    "more_different_queries": "audit more different queries",
    "more_of_them": "audit more of them",
    "more": "audit more",
    "other_queries": "audit other queries",
    "riskier_kind": "audit the riskier kind by itself",
    "as_sampled": "as those audited",
}
FILE_WORDS = {
    "more_queries": "give more rows",
    "more_different_queries": "give more rows of different queries",
    "more_of_them": "give {fewest} rows or more",
    "more": "give more rows",
    "other_queries": "give other rows",
    "riskier_kind": "give the riskier kind's rows by themselves",
    "as_sampled": "as those in the file",
}


@dataclass(frozen=True)
class Remark:
    """What a reader must know of a forecast: which remark of `SENTENCES` it is, and the values in it.

    values: plain JSON values; a tuple of names or of numbers is listed in the sentence.
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """How much it matters: a note says what was done, a caution that the forecast may be off."""
        return SENTENCES[self.code].level

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {"code": self.code, "level": self.level, "values": dict(self.values)}


@dataclass(frozen=True)
class Vocabulary:
    """The words that depend on where a sentence is read and on where the estimates come from.

    words: for the `$names` in a sentence. names: what a value, such as an estimator's name, is called there.
    """

    words: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)


COMMAND_LINE_AUDIT = Vocabulary(MappingProxyType(COMMAND_LINE_WORDS | AUDIT_WORDS))
COMMAND_LINE_FILE = Vocabulary(MappingProxyType(COMMAND_LINE_WORDS | FILE_WORDS))


class TailError(SpecError):
    """A tail that cannot be fitted or tested; its sentence is made anew for each kind of reader.

    `str` is the sentence of the command line for an audit.
    """

    def __init__(self, code: str, **values: Any) -> None:
        self.remark = Remark(code, values)
        super().__init__(sentence_of(self.remark))


@contextmanager
def in_words(vocabulary: Vocabulary) -> Iterator[None]:
    """Gives a `TailError` raised inside a sentence in these words."""
    try:
        yield
    except TailError as error:
        raise SpecError(sentence_of(error.remark, vocabulary)) from None


def sentence_of(remark: Remark, vocabulary: Vocabulary = COMMAND_LINE_AUDIT) -> str:
    """Returns a remark as a sentence, without a capital first and a full stop last."""
    sentence = SENTENCES[remark.code]
    text = sentence.one if sentence.one and remark.values.get("count") == 1 else sentence.text
    values = {name: _readable(value, vocabulary) for name, value in remark.values.items()}
    return Template(text).substitute(vocabulary.words).format(**values)


def _readable(value: Any, vocabulary: Vocabulary) -> Any:
    if isinstance(value, str):
        return vocabulary.names.get(value, value)
    if not isinstance(value, tuple):
        return value
    if all(isinstance(each, str) for each in value):
        return "; ".join(map(repr, value))
    return ", ".join(f"{each:,.0f}" for each in value)
