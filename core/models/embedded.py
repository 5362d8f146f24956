"""The embedded models, and the resolution of model names."""

from pathlib import Path

EMBEDDED_MODELS = Path(__file__).parents[2] / "sample_data" / "models"
DEFAULT_MODEL = "aster"


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the embedded models."""
    return tuple(sorted(path.parent.name for path in EMBEDDED_MODELS.glob("*/config.json")))


def resolve_model(name: str) -> str:
    """Returns the folder of an embedded model's short name; other names, folders or Hub ids, as they are."""
    embedded = EMBEDDED_MODELS / name
    if name and "/" not in name and (embedded / "config.json").is_file():
        return str(embedded)
    return name
