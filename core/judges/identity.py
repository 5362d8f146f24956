"""A judge in a few words, for reports: its whole spec can hold hundreds of rules."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cache import spec_hash


@dataclass(frozen=True)
class JudgeIdentity:
    """Which judge scored the answers.

    kind: rules, classifier, grader or rubric. version: of that kind's scoring. name: its file or short
    name, or the behaviour whose own it is. fingerprint: a hash of all that scores depend on.
    """

    kind: str
    version: int
    name: str
    fingerprint: str

    @classmethod
    def of(cls, spec: Mapping[str, Any], name: str) -> "JudgeIdentity":
        """Returns the identity of the judge with this spec."""
        return cls(str(spec["judge"]), int(spec["version"]), name, spec_hash(dict(spec))[:32])

    def to_dict(self) -> dict[str, Any]:
        """Returns the identity as JSON."""
        return asdict(self)
