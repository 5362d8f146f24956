"""Findings about tokens and prompts: what ends an answer, what is masked, what the template does."""

from typing import Any

from transformers import GenerationConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.models.findings import Finding
from core.models.own_settings import in_words, own_settings
from core.models.sources import Source
from core.models.templates import rendered, writes_date
from core.models.tokens import drawable_tokens, only_added, stop_token_ids, unscored_tokens
from core.spec import TEMPLATE_DATE

ASKED = {"role": "user", "content": "hello"}


def token_findings(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: Source
) -> list[Finding]:
    """Returns what a model's tokenizer, template and generation config mean for its answers."""
    generation: Any = getattr(model, "generation_config", None)
    found = []
    if "generation_config.json" in source.names:
        try:
            generation = GenerationConfig.from_pretrained(source.folder)
        except (OSError, ValueError, TypeError):
            found.append(
                Finding(
                    "stop_tokens",
                    "warning",
                    "generation_config.json cannot be read: some tokens that end an answer may be unknown.",
                    "Fetch generation_config.json again.",
                )
            )
    stops = stop_token_ids(generation, tokenizer)
    scored = int(model.config.get_text_config().vocab_size)
    if not found:
        found += _stops(tokenizer, generation, stops, scored)
    found.append(_vocabulary(tokenizer, scored, stops))
    return [*found, *_sampling(generation), *_prompt(tokenizer, stops)]


def _stops(
    tokenizer: PreTrainedTokenizerBase, generation: Any, stops: tuple[int, ...], scored: int
) -> list[Finding]:
    listed = getattr(generation, "eos_token_id", None)
    usable = tuple(stop for stop in stops if stop < scored)
    if not usable:
        named = "" if listed is None else f" (eos_token_id is {listed}, which is none)"
        return [
            Finding(
                "stop_tokens",
                "warning",
                f"No token ends an answer{named}: all run to the length limit.",
                "Set eos_token_id in generation_config.json.",
            )
        ]
    words = ", ".join(f"{tokenizer.decode([stop])!r}" for stop in usable)
    found = [Finding("stop_tokens", "ok", f"Answers end at {words}.")]
    never = ", ".join(str(stop) for stop in stops if stop >= scored)
    if never:
        message = (
            f"Of its stop tokens, {never} can never be drawn: the model has {scored:,} logits."
        )
        found.append(Finding("stop_tokens", "note", message))
    missing = _turn_ends(tokenizer) - set(stops)
    if missing:
        ends = ", ".join(f"{tokenizer.decode([token])!r}" for token in sorted(missing))
        found.append(
            Finding(
                "stop_tokens",
                "warning",
                f"Its tokenizer or chat template ends a turn with {ends}, which ends no answer here: answers "
                "may run on into made-up turns.",
                f"Add {', '.join(map(str, sorted(missing)))} to eos_token_id in generation_config.json.",
            )
        )
    return found


def _turn_ends(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Returns the tokenizer's own stop token, and the special one its template puts after an answer."""
    found = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    if not tokenizer.chat_template:
        return found
    special = {int(place) for place in tokenizer.all_special_ids}
    special |= set(getattr(tokenizer, "added_tokens_decoder", {}))
    try:
        answered = [ASKED, {"role": "assistant", "content": "hello"}]
        whole = rendered(tokenizer, answered, to_answer=False)
    except ModelError:
        return found
    after = tokenizer(whole[whole.rfind("hello") + 5 :].lstrip(), add_special_tokens=False)[
        "input_ids"
    ]
    if after and int(after[0]) in special:
        found.add(int(after[0]))
    return found


def _vocabulary(tokenizer: PreTrainedTokenizerBase, scored: int, stops: tuple[int, ...]) -> Finding:
    beyond = unscored_tokens(tokenizer, scored)
    if beyond and not only_added(tokenizer, beyond):
        return Finding(
            "vocabulary",
            "refused",
            f"Its tokenizer knows {len(beyond):,} tokens, the first of them {beyond[0]!r}, for which the "
            f"model has no logit: it has {scored:,}.",
            "Use the tokenizer that belongs to the model.",
        )
    if beyond:
        words = ", ".join(map(repr, beyond[:3]))
        return Finding(
            "vocabulary",
            "note",
            f"The model does not know {words}; a prompt that holds it is refused, all others are fine.",
        )
    known = drawable_tokens(tokenizer, scored, stops)
    if known < scored:
        message = f"{scored - known:,} of {scored:,} logits stand for no token; they are left out."
        return Finding("vocabulary", "note", message)
    return Finding("vocabulary", "ok", f"Model and tokenizer agree on {known:,} tokens.")


def _sampling(generation: Any) -> list[Finding]:
    """Returns a finding where the model's own sampling settings are not what is drawn with."""
    own = own_settings(generation)
    listed = {**own.taken_over, **own.lost}
    if not listed:
        return []
    message = (
        f"Its own sampling settings are {in_words(listed)}; unless told otherwise Tailscope draws at "
        "temperature 1 from all tokens, and risks differ."
    )
    takes = ", ".join(own.taken_over)
    what = f"--own-settings, or a button on the Model page, takes over {takes}." if takes else ""
    if own.lost:
        what = f"{what} {', '.join(own.lost)} cannot be had.".strip()
    return [Finding("sampling_settings", "note", message, what)]


def _prompt(tokenizer: PreTrainedTokenizerBase, stops: tuple[int, ...]) -> list[Finding]:
    """Returns what is special about the prompts that the template, or its lack, makes."""
    found = []
    if not tokenizer.chat_template:
        ids = tokenizer("Answer:")["input_ids"]
        own = tokenizer("Answer:", add_special_tokens=False)["input_ids"]
        if ids[-1:] != own[-1:] and int(ids[-1]) in stops:
            message = (
                "Its tokenizer puts a stop token after every text; it is taken off the prompt."
            )
            found.append(Finding("prompt", "note", message))
        return found
    try:
        text = rendered(tokenizer, [ASKED])
        if writes_date(tokenizer):
            message = (
                f"Its chat template writes the date into the prompt; {TEMPLATE_DATE} is written, whatever "
                "the day."
            )
            what = "--template-date, or the Model page, sets another; its draws are kept apart."
            found.append(Finding("template_date", "note", message, what))
    except ModelError:
        return found
    if text.rstrip().endswith("<think>"):
        found.append(
            Finding(
                "thoughts",
                "warning",
                "Its prompt ends in <think>: an answer begins with the model's thoughts, which are judged "
                "with it, and may be nothing else.",
                "Allow long answers, and a judge that looks at what follows </think>.",
            )
        )
    try:
        rendered(tokenizer, [{"role": "system", "content": "hello"}, ASKED])
    except ModelError:
        message = "Its chat template takes no system prompt: one that is asked for is refused."
        found.append(Finding("system_prompt", "note", message))
    return found
