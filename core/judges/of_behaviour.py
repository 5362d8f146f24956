"""The judge of a behaviour."""

from pathlib import Path
from typing import Any

from core.behaviours.load import Behaviour, load_behaviour
from core.judges.base import Judge
from core.judges.config import judge_from, load_judge, shipped_judges
from core.judges.files import read_json


def behaviour_judge(name: str) -> Judge:
    """Returns the judge that a behaviour's file names or describes.

    Raises:
        BehaviourError, ModelError: the behaviour does not exist, or its judge cannot be used.
    """
    settings, path = judge_settings(None, load_behaviour(name))
    return load_judge(path) if settings is None else judge_from(settings, path)


def served_judge(judge: str | None, behaviour: str) -> Judge | None:
    """Returns a request's judge if it runs on a server, which may cost money; else None. Loads no model.

    judge: a file or short name, None for the behaviour's own.

    Raises:
        BehaviourError: its file cannot be used.
    """
    settings, path = judge_settings(judge, load_behaviour(behaviour))
    content = read_json(path) if settings is None else settings
    if isinstance(content, dict) and content.get("kind") == "rubric":
        return judge_from(content, path)
    return None


def judge_settings(judge: str | None, behaviour: Behaviour) -> tuple[dict[str, Any] | None, Path]:
    """Returns the settings in a behaviour's file, or None, and the file to read settings from."""
    shipped = shipped_judges()
    if judge is not None:
        path = Path(judge)
        return None, path if path.exists() else shipped.get(judge, path)
    own, path = behaviour.spec.judge, behaviour.path
    if not isinstance(own, str):
        return own, path
    beside = path.parent / own
    return None, shipped[own] if own in shipped and not beside.exists() else beside
