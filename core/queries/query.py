"""One query of a query set."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One query of a set.

    group: shared by all rewordings of the same query, empty where nothing says which are. category: its
    subject in a benchmark, empty without one. system: the system prompt that it is asked under, None for that
    of whoever asks.
    """

    query_id: str
    text: str
    group: str
    category: str = ""
    system: str | None = None

    @property
    def asked(self) -> tuple[str, str | None]:
        """All of it that the model reads: two queries with the same are the same query."""
        return self.text, self.system

    def record(self) -> dict[str, str]:
        """Returns it as JSON, by the names under which a query file is read.

        What it lacks is left out, so that the hashes of queries from before there were such fields stay.
        """
        found = {"query_id": self.query_id, "query": self.text, "group": self.group}
        more: Mapping[str, str | None] = {"category": self.category or None, "system": self.system}
        return found | {name: text for name, text in more.items() if text is not None}
