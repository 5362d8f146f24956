"""The models that have a short name, for people to choose from."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.models.embedded import embedded_models
from core.models.fetched import FETCHABLE, Fetchable, fetched_folder, how_to_fetch

EMBEDDED_IS = "invented world: exact truth, instant"
FETCHED_IS = "real chat model"


def megabytes(model: Fetchable) -> str:
    """Returns how much is fetched, such as '93 MB'."""
    return f"{model.download / 1e6:.0f} MB"


@dataclass(frozen=True)
class ListedModel:
    """A model with a short name. here: whether it is on this machine. download: bytes to fetch, 0 if here."""

    name: str
    kind: Literal["embedded", "fetched"]
    here: bool
    about: str
    licence: str
    download: int

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """Returns what it is and, if it is not here, how to fetch it."""
        if self.here:
            return self.about
        return f"{self.about}; fetch it with `{how_to_fetch(self.name)}`"


def listed_models() -> tuple[ListedModel, ...]:
    """Returns all models with a short name: embedded ones, then those that can be fetched."""
    embedded = [
        ListedModel(name, "embedded", True, EMBEDDED_IS, "Apache-2.0", 0)
        for name in embedded_models()
    ]
    fetched = [
        ListedModel(
            name,
            "fetched",
            here := fetched_folder(name) is not None,
            f"{FETCHED_IS}: {model.title}, {megabytes(model)}, minutes",
            model.licence,
            0 if here else model.download,
        )
        for name, model in FETCHABLE.items()
    ]
    return (*embedded, *fetched)
