"""Reads a judge's file."""

import json
from pathlib import Path

from core.errors import BehaviourError
from core.files.json_text import parse_json


def read_json(path: Path) -> object:
    """Returns the content of a judge file.

    Raises:
        BehaviourError: there is none that can be read; one sentence names it.
    """
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError:
        raise BehaviourError(f"There is no judge file {path}.") from None
    except OSError as error:
        raise BehaviourError(f"{path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BehaviourError(f"{path} is not JSON: {error.msg} ({where}).") from error
    except UnicodeDecodeError as error:
        raise BehaviourError(f"{path} is not UTF-8 text.") from error
