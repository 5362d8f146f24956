"""One query of a query set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One query of a set. group: shared by all rewordings of the same query."""

    query_id: str
    text: str
    group: str
