"""The embedded models, and the resolution of model names."""

from pathlib import Path

from core.models.fetched import FETCHABLE, fetched_folder, fetched_models, not_fetched

EMBEDDED_MODELS = Path(__file__).parents[2] / "sample_data" / "models"
DEFAULT_MODEL = "aster"


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the embedded models."""
    return tuple(sorted(path.parent.name for path in EMBEDDED_MODELS.glob("*/config.json")))


def resolve_model(name: str) -> str:
    """Returns the folder of a short name, embedded or fetched; other names, folders or Hub ids, as they are.

    Raises:
        ModelError: the short name is of a model that was not fetched; says how to fetch it.
    """
    embedded = EMBEDDED_MODELS / name
    if name and "/" not in name and (embedded / "config.json").is_file():
        return str(embedded)
    if name not in FETCHABLE:
        return name
    folder = fetched_folder(name)
    if folder is None:
        raise not_fetched(name)
    return str(folder)


def named_models() -> tuple[str, ...]:
    """Returns the short names of all models on this machine: embedded ones first."""
    return (*embedded_models(), *fetched_models())
