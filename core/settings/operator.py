"""What the operator of this machine allows, and the folder of the user's own files.

Only a file on this machine can grant permissions; no widget, link, model or query file can.
"""

import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError, ValidationInfo, field_validator

from core.errors import SpecError, first_sentence
from core.spec import Spec

ALL = "*"


class OperatorSpec(Spec):
    """The operator's configuration, `config.toml` in the user's folder.

    allow_pickle: models (folders as absolute paths, Hub ids, or "*" for all) whose weights may be read from
    pickle files. allow_remote_code: models whose own code may be run. judges: files of judges that the app
    offers.
    """

    allow_pickle: tuple[str, ...] = ()
    allow_remote_code: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()

    @field_validator("allow_pickle", "allow_remote_code", "judges", mode="before")
    @classmethod
    def _names(cls, value: object, info: ValidationInfo) -> object:
        # A string is a sequence of strings too: "*" inside "org/*" must not stand for all models.
        if not isinstance(value, list | tuple) or not all(
            isinstance(name, str) and name.strip() for name in value
        ):
            raise ValueError(f"{info.field_name} must be a list of names, got {value!r}")
        return tuple(value)

    def permissions(self, model: str) -> "Permissions":
        """Returns what is allowed for a model."""
        return Permissions(
            pickle=_named(model, self.allow_pickle),
            remote_code=_named(model, self.allow_remote_code),
        )


@dataclass(frozen=True)
class Permissions:
    """What may be done with a model's files: reading weights from pickle, running the model's own code."""

    pickle: bool = False
    remote_code: bool = False


NOTHING = Permissions()


def user_folder() -> Path:
    """Returns $TAILSCOPE_HOME, or Tailscope's folder among the user's configurations."""
    named = os.environ.get("TAILSCOPE_HOME")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "tailscope"
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "tailscope"


def operator() -> OperatorSpec:
    """Returns the operator's configuration; without a file nothing is allowed.

    Raises:
        SpecError: the file cannot be read. An error in it must not silently mean "not allowed".
    """
    path = user_folder() / "config.toml"
    try:
        return OperatorSpec(**tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return OperatorSpec()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"the configuration {str(path)!r} cannot be read ({error})") from error
    except ValidationError as error:
        raise SpecError(f"the configuration {str(path)!r}: {first_sentence(error)}") from None


def as_path(name: str) -> Path:
    """Returns a name as a path; a leading ~ becomes the home folder if that user exists."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # no such user
        return Path(name)


def _named(model: str, names: tuple[str, ...]) -> bool:
    """Returns whether one of the names means this model, however its folder is written."""
    folder = as_path(model)
    if ALL in names:
        return True
    if not folder.is_dir():
        return model in names
    # Relative names are Hub ids; they must not admit a local folder of the same name.
    paths = [as_path(name) for name in names]
    return any(path.is_absolute() and path.is_dir() and path.samefile(folder) for path in paths)
