"""What a loaded model is: the facts that decide its probabilities."""

import html

import streamlit as st

from core.models.loading import LoadedModel

STYLE = """<style>
.ts-facts {display: grid; margin: 0 0 .6rem !important; padding: 0 !important;
  grid-template-columns: max-content 1fr; gap: .42rem 1.2rem}
.ts-facts dt {opacity: .72} .ts-facts dd {margin: 0; font-weight: 550; overflow-wrap: anywhere}
</style>"""


def model_facts(loaded: LoadedModel) -> None:
    """Draws the facts as a list."""
    template = bool(loaded.tokenizer.chat_template)
    stops = loaded.tokenizer.convert_ids_to_tokens(list(loaded.stop_token_ids))
    facts = {
        "Name": loaded.name,
        "Architecture": loaded.architecture,
        "Parameters": _count(loaded.parameters),
        "Layers": f"{len(loaded.blocks)} blocks, {loaded.hidden_size} wide",
        "Vocabulary": f"{loaded.vocabulary:,} tokens",
        "Ends an answer with": ", ".join(stops) or "nothing: answers are cut at their longest",
        "Prompt": "the model's own chat template"
        if template
        else "no chat template: a plain 'Question: ... Answer:' prompt is used",
        "Numbers": str(loaded.model.dtype).removeprefix("torch."),
        "Runs on": str(loaded.device),
        "Fingerprint": loaded.fingerprint,
    }
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in facts.items()
    )
    st.html(f"{STYLE}<dl class='ts-facts'>{rows}</dl>")


def _count(number: int) -> str:
    if number >= 1e9:
        return f"{number / 1e9:.1f} billion"
    return f"{number / 1e6:.2f} million" if number >= 1e5 else f"{number:,}"
