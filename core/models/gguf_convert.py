"""Turns a GGUF file into a model folder of plain numbers; run as a process of its own, which can be ended.

python -m core.models.gguf_convert FILE FOLDER
"""

import sys
from pathlib import Path

from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError, TailscopeError
from core.models.checks import quiet_transformers, reason
from core.models.gguf_header import read_header
from core.models.gguf_reading import read_model, read_tokenizer
from core.models.templates import rendered
from core.models.tokens import stop_token_ids

# Letters, digits after blank lines, signs and an emoji: what a wrong cut or a missing byte spells otherwise.
PROBE = "What's 2 + 35?\n\n1. It’s  37 🙂"
PROGRAM_ERROR = 2


def convert(path: Path, folder: Path) -> None:
    """Writes a GGUF file's model, tokenizer and generation config into a folder.

    Raises:
        ModelError: the file cannot be read, or its tokenizer does not spell a prompt.
    """
    quiet_transformers()
    file = read_header(path)
    tokenizer = read_tokenizer(file)
    model, told = read_model(file)
    if told["missing_keys"]:
        raise ModelError(f"{path.name} lacks the weights {sorted(told['missing_keys'])[0]}")
    check_spelling(path.name, model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_spelling(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises ModelError unless a prompt becomes tokens and text again, and an answer can end.

    name: of the file, for messages.
    """
    text = rendered(tokenizer, [{"role": "user", "content": PROBE}])
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    again = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    if again != text:
        raise ModelError(f"the tokenizer in {name} spells {text!r} as {again!r}")
    marks = [word for word in tokenizer.all_special_tokens if word in text]
    if not {tokenizer.convert_tokens_to_ids(mark) for mark in marks} <= set(ids):
        raise ModelError(f"the tokenizer in {name} takes the marks {', '.join(marks)} apart")
    answered = [
        {"role": "user", "content": PROBE},
        {"role": "assistant", "content": PROBE},
    ]
    told = rendered(tokenizer, answered, to_answer=False)
    after = tokenizer(told[told.rfind(PROBE) + len(PROBE) :], add_special_tokens=False)["input_ids"]
    stops = stop_token_ids(model.generation_config, tokenizer)
    if not after or after[0] not in stops:
        raise ModelError(f"no token that ends an answer in {name} is the template's end of a turn")


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except TailscopeError as error:
        print(error, file=sys.stderr)
        sys.exit(PROGRAM_ERROR)
    except Exception as error:
        # Of any type: whoever began this process shows one sentence, not a traceback.
        print(f"{type(error).__name__}: {reason(error)}", file=sys.stderr)
        sys.exit(PROGRAM_ERROR)
