"""Builds a judge from a JSON file: {"kind": "rules" | "classifier" | "grader" | "rubric", ...}."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.errors import BehaviourError, TailscopeError, first_sentence
from core.judges.base import Judge
from core.judges.files import read_json
from core.judges.rules import JUDGES, RuleJudge, RuleSet

KINDS = ("rules", "classifier", "grader", "rubric")
# Shipped judges for all behaviours, but of the embedded world only.
SHIPPED = ("grader", "classifier")
# Fields of each kind that may name a folder; a rubric's model is a name on its server.
FOLDERS = {"classifier": ("path",), "grader": ("model", "adapter")}


def shipped_judges() -> dict[str, Path]:
    """Returns the files of the shipped judges that work for any behaviour, by name."""
    return {name: JUDGES / f"{name}.json" for name in SHIPPED}


def load_judge(path: Path | str) -> Judge:
    """Returns the judge that a file describes. Loads local models; sends nothing to a server.

    Parameters
    ----------
    path
        The judge's JSON file, or the name of one of `shipped_judges`; a file of that name takes precedence. A
        file without a kind holds rules. A folder in it is relative to the file's own folder if it begins with
        a dot or exists there.

    Returns
    -------
    Judge
        Scores answers in [0, 1]; the score is None where it could not judge.

    Raises
    ------
    BehaviourError
        The file cannot be read or a setting is wrong; the message names file and value.
    ModelError
        A classifier or grader cannot be used.
    """
    path = judge_file(path)
    if not path.exists():
        raise BehaviourError(
            f"There is no judge file {path}; give a judge's JSON file, or one of {', '.join(SHIPPED)}."
        )
    return judge_from(read_json(path), path)


def judge_file(name: Path | str) -> Path:
    """Returns the file for a path or a shipped judge's name; it need not exist."""
    path = Path(name)
    return path if path.is_file() else shipped_judges().get(str(path), path)


def judge_stamp(name: str) -> str:
    """Returns a text that changes whenever a judge's file does. name: as for `load_judge`."""
    path = judge_file(name)
    try:
        state = path.stat()
    except OSError:
        return name
    return f"{path} {state.st_mtime_ns} {state.st_size}"


def judge_from(content: object, path: Path) -> Judge:
    """Returns the judge with these settings. path: the file they come from. Raises: as `load_judge`."""
    if not isinstance(content, dict):
        raise BehaviourError(f"{path} must hold a JSON object, got {content!r:.80}.")
    fields = dict(content)
    kind = fields.pop("kind", "rules")
    for name in FOLDERS.get(str(kind), ()):
        if isinstance(fields.get(name), str):
            fields[name] = beside(path, fields[name])
    try:
        return _build(kind, fields)
    except ValidationError as error:
        raise BehaviourError(f"{path}: {first_sentence(error)}.") from None
    except TailscopeError as error:
        raise type(error)(f"{path}: {error}.") from error


def beside(file: Path, folder: str) -> str:
    """Returns the folder that a file names: relative to the file if it begins with a dot or exists there.

    Other names stay as they are: absolute paths, embedded models, Hugging Face ids.
    """
    there = file.absolute().parent / folder
    if folder.startswith(".") or (folder.strip() and there.exists()):
        return os.path.normpath(there)
    return folder


def _build(kind: object, fields: dict[str, Any]) -> Judge:
    # Imported here, so that a judge of rules does not load what the others need.
    if kind == "rules":
        return RuleJudge(RuleSet.model_validate(fields))
    if kind == "rubric":
        from core.judges.rubric import RubricJudge, RubricSpec

        return RubricJudge(RubricSpec.model_validate(fields))
    if kind == "classifier":
        from core.judges.classifier import ClassifierJudge, ClassifierSpec

        return ClassifierJudge(ClassifierSpec.model_validate(fields))
    if kind == "grader":
        from core.judges.grader import GraderJudge, GraderSpec

        return GraderJudge(GraderSpec.model_validate(fields))
    raise BehaviourError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
