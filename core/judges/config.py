"""Builds a judge from a JSON file: {"kind": "rules" | "classifier" | "grader" | "rubric", ...}."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.errors import BehaviourError, TailscopeError, first_sentence
from core.judges.base import Judge
from core.judges.files import read_json
from core.judges.rules import RuleJudge, RuleSet

KINDS = ("rules", "classifier", "grader", "rubric")


def load_judge(path: Path | str) -> Judge:
    """Returns the judge that a file describes; models are loaded, no server is asked.

    A file without a kind holds rules, as the shipped ones do. Paths in it are as from the working folder.

    Raises:
        BehaviourError: the file cannot be read or a setting is wrong; one sentence names file and value.
        ModelError: a classifier or grader cannot be used.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, dict):
        raise BehaviourError(f"{path} must hold a JSON object, got {content!r:.80}.")
    fields = dict(content)
    kind = fields.pop("kind", "rules")
    try:
        return _build(kind, fields)
    except ValidationError as error:
        raise BehaviourError(f"{path}: {first_sentence(error)}.") from None
    except TailscopeError as error:
        raise type(error)(f"{path}: {error}.") from error


def _build(kind: object, fields: dict[str, Any]) -> Judge:
    # Imported here: a judge of rules should not wait for what the others need.
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
