"""The user's settings on this machine, kept in `settings.json` in the user's folder."""

import json
from pathlib import Path

from pydantic import ValidationError, field_validator

from cache import MemoryStore, Store
from core.errors import SpecError, TailscopeError, first_sentence
from core.files.json_text import parse_json
from core.settings.atomic import replacing
from core.settings.operator import user_folder
from core.spec import Spec, Whole

FILE = "settings.json"
SMALLEST_LIMIT = 1_000_000


class UserSettings(Spec):
    """store_limit: bytes that stored draws may take, None for no limit."""

    store_limit: Whole | None = None

    @field_validator("store_limit")
    @classmethod
    def _store_limit(cls, value: int | None) -> int | None:
        if value is not None and value < SMALLEST_LIMIT:
            raise ValueError(
                f"store_limit must be at least {SMALLEST_LIMIT:,} bytes, got {value:,}"
            )
        return value


def user_settings() -> UserSettings:
    """Returns the user's settings; the defaults if there is no file.

    Raises:
        SpecError: the file cannot be read.
    """
    path = _path()
    try:
        return UserSettings(**parse_json(path.read_bytes()))
    except FileNotFoundError:
        return UserSettings()
    except ValidationError as error:
        raise SpecError(f"the settings {str(path)!r}: {first_sentence(error)}") from None
    except (OSError, ValueError, TypeError) as error:
        raise SpecError(f"the settings {str(path)!r} cannot be read ({error})") from error


def save_user_settings(settings: UserSettings) -> None:
    """Writes the settings, whole or not at all. Raises: TailscopeError if they cannot be written."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(settings.model_dump(mode="json"), indent=1) + "\n"
        with replacing(path) as temporary:
            temporary.write_text(content, "utf-8")
    except OSError as error:
        raise TailscopeError(
            f"the settings {str(path)!r} could not be written: {error.strerror}"
        ) from error


def apply_limit(store: Store | MemoryStore) -> int | None:
    """Applies the user's size limit to an open store and returns it. Raises: as `user_settings`."""
    limit = user_settings().store_limit
    if isinstance(store, Store):
        store.size_limit = limit
    return limit


def _path() -> Path:
    return user_folder() / FILE
