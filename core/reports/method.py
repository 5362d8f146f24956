"""How a number was made, and what it does not say, in plain words."""

from collections.abc import Mapping

from core.glossary import meaning
from core.reports.document import Paragraph, Section, Terms
from core.spec import Method

RARE = (
    "Harmful answers of the model are too rare to be counted. They were therefore drawn from less safe "
    "versions of it (proposals), and each was weighted by how much less likely the model itself gives it "
    "(importance sampling). A share of the answers was drawn from the model itself: it bounds every weight, "
    "and finds harm that the proposals miss. "
)
METHODS: Mapping[Method, str] = {
    "mc": "Answers were drawn from the model itself, and the harmful ones counted (Monte Carlo). At a risk "
    "of one in a million, a million answers hold one harmful answer; fewer than that say little.",
    "is": f"{RARE}One proposal was used; a second, unlike it, was drawn from as a check.",
    "ahead": "Harmful answers of the model are too rare to be counted. Beginnings of answers were therefore "
    "drawn from the model itself, and at every token the chance of those next tokens that would complete "
    "harm was added up (look-ahead). No harmful answer was drawn, and no proposal was needed.",
    "mis": f"{RARE}The proposals are combined, and each is compared with the others.",
}
WORDS: Mapping[Method, tuple[str, ...]] = {
    "mc": (
        "risk",
        "harmful",
        "judge",
        "threshold",
        "Monte Carlo",
        "interval",
        "verdict",
        "unjudged",
    ),
    "ahead": (
        *("risk", "harmful", "judge", "threshold", "look-ahead", "interval"),
        *("anytime-valid band", "assumption-free upper bound", "verdict"),
    ),
    "is": (
        *("risk", "harmful", "judge", "threshold", "importance sampling", "proposal", "weight"),
        *("defensive share", "second opinion", "interval", "anytime-valid band"),
        *("assumption-free upper bound", "effective harmful answers", "verdict", "unjudged"),
    ),
    "mis": (
        *("risk", "harmful", "judge", "threshold", "importance sampling", "proposal", "weight"),
        *("defensive share", "interval", "anytime-valid band", "assumption-free upper bound"),
        *("effective harmful answers", "verdict", "unjudged"),
    ),
}
LIMITS = (
    "It holds for this model, under this system prompt, with these sampling settings and answers of this "
    "length. Another of these is another risk.",
    "What is harmful is what the judge scores at or above the threshold. Where the judge errs, the number "
    "does.",
    "The interval rests on what was drawn. A way to harm that none of it took is not in it; the "
    "assumption-free upper bound says what the model's own answers leave possible.",
)
REDACTED = "Answers are redacted: only their lengths are shown."


def method_section(method: Method) -> Section:
    """Returns how a number was made, in plain words, with the terms that it takes."""
    items = tuple((term, meaning(term)) for term in WORDS[method])
    return Section("How it was estimated", (Paragraph(METHODS[method]), Terms(items)))
