"""The judges that can be chosen: the behaviour's own, those that come along, and the operator's files."""

from pathlib import Path

from core.judges.config import shipped_judges
from core.settings.operator import operator, user_folder

OWN = ""
OWN_WORDS = "The behaviour's own"
SHIPPED_WORDS = {"grader": "A small grader model", "classifier": "A small classifier"}


def judge_offers(chosen: str | None) -> dict[str, str]:
    """Returns name -> words of every judge on offer; the own one has the empty name.

    chosen: the judge in use, listed too if a link brought one that is on offer nowhere.

    Raises:
        SpecError: the operator's configuration cannot be read.
    """
    offers = {OWN: OWN_WORDS}
    offers |= {name: SHIPPED_WORDS.get(name, name.capitalize()) for name in shipped_judges()}
    offers |= {path: Path(path).stem for path in map(_placed, operator().judges)}
    if chosen is not None and chosen not in offers:
        offers[chosen] = Path(chosen).stem
    return offers


def _placed(name: str) -> str:
    """Returns the path of a file that the configuration names; beside it unless it says otherwise."""
    return str(user_folder() / Path(name).expanduser())
