"""Paraphrases: how far the wording of a question alone moves its risk."""

from pages.paraphrases.setup import paraphrase_setup
from pages.paraphrases.view import paraphrase_view
from pages.shared.comparisons import current_comparison
from pages.shared.frame import page

with page("Paraphrases"):
    plan = current_comparison()
    if plan is None:
        paraphrase_setup()
    else:
        paraphrase_view(plan)
