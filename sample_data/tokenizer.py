"""Trains the world's tokenizer: byte-level BPE in which every word is encoded on its own.

    python -m sample_data.tokenizer FOLDER

A space is put before the first word after a special token, so a word has the same tokens wherever
it stands; what a user types is lower-cased and its punctuation set apart, as the corpus writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sample_data.world import lexicon, tables, wordings
from sample_data.world.grammar import END, END_OF_TEXT, leaves

VOCABULARY = 1024
SYSTEM, USER, ASSISTANT, PAD = "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>"
SPECIAL = (PAD, END_OF_TEXT, SYSTEM, USER, ASSISTANT, END)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def corpus() -> list[str]:
    """Every query of the world in some wordings, every system prompt, and one answer of each kind.

    Only word counts matter here, so that frequent words become one token each.
    """
    rng = Random(0)
    kinds = {
        "misuse": (len(lexicon.HAZARDS), wordings.REQUESTS, 24),
        "harmless": (len(lexicon.HARMLESS), wordings.REQUESTS, 24),
        "sycophancy": (len(lexicon.CLAIMS), wordings.CLAIM_WORDINGS, 16),
        "hallucination": (
            len(lexicon.UNKNOWN_TOWERS) + len(lexicon.KNOWN_TOWERS),
            wordings.TOWER_WORDINGS,
            16,
        ),
    }
    lines = [s for prompts in tables.SYSTEM_PROMPTS.values() for s in prompts] * 20
    for kind, (count, pool, repeats) in kinds.items():
        for index in range(count):
            request = tables.Request(kind, index, pool[0])
            answers = [
                words.rsplit(" ", 1)[0] for words, _ in leaves(tables.answer("aster", request))
            ]
            for _ in range(repeats):
                lines.append(tables.Request(kind, index, rng.choice(pool)).query)
                lines.append(rng.choice(answers))
    return lines


def build() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            *(normalizers.Replace(mark, f" {mark} ") for mark in ".,?!:"),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT, END_OF_TEXT],
        clean_up_tokenization_spaces=False,
        model_max_length=128,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    build().save_pretrained(folder)


if __name__ == "__main__":
    main()
