"""Paraphrases: how far the wording of a question alone moves its risk."""

from pages.components.paraphrase_setup import paraphrase_setup
from pages.components.paraphrase_view import paraphrase_view
from pages.shared.comparisons import current_comparison
from pages.shared.frame import page

with page("Paraphrases"):
    plan = current_comparison()
    if plan is None:
        paraphrase_setup()
    else:
        paraphrase_view(plan)
