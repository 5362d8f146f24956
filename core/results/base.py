"""What every result of the Python API can do: print, show, export and draw itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cache import open_store
from core.models.own_settings import with_own_settings
from core.models.spec import LoadingSpec
from core.results.html import Card, html_of
from core.runs.run import open_default_store
from core.sampling.shards import AnyStore
from core.spec import GenerationSpec

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Report(Protocol):
    """What a capability comes to: the JSON of the command line, and a few lines for a person."""

    def to_dict(self) -> dict[str, Any]: ...
    def to_text(self) -> str: ...


AnyReport = TypeVar("AnyReport", bound=Report)


class Result(ABC, Generic[AnyReport]):
    """A report that shows itself.

    Attributes
    ----------
    report
        All that was found.
    """

    def __init__(self, report: AnyReport) -> None:
        self.report = report

    def __repr__(self) -> str:
        return self.report.to_text()

    def _repr_html_(self) -> str:
        return html_of(self._card())

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON object that the command line prints with `--json`."""
        return self.report.to_dict()

    @abstractmethod
    def plot(self) -> "Figure":
        """Returns a plotly figure to look into; nothing in it is estimated anew."""

    @abstractmethod
    def _card(self) -> Card:
        """Returns what a notebook shows."""


def store_at(cache: str | Path | None) -> AnyStore:
    """Returns the store in a folder, the user's own for None."""
    return open_default_store() if cache is None else open_store(Path(cache))


def generation_of(
    fields: Mapping[str, Any] | GenerationSpec | None, models: Mapping[str, LoadingSpec]
) -> GenerationSpec:
    """Returns how answers are generated. models: how each is loaded, by name.

    With own_settings among the fields, what is left out is the models' own. Raises: SpecError, and ModelError
    where a model's own settings cannot be read.
    """
    if isinstance(fields, GenerationSpec):
        return fields
    given = dict(fields or {})
    own = given.pop("own_settings", False)
    return with_own_settings(models, given) if own else GenerationSpec.build(**given)
