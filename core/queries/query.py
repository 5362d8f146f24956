"""A query of a set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One query of a set; group is what its rewordings share."""

    query_id: str
    text: str
    group: str
