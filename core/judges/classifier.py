"""A judge that is a local sequence classifier: the score is a label's probability."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from core.errors import ModelError
from core.judges.base import Judgement
from core.judges.local import BatchRows, LocalJudgeSpec, folder_fingerprint, without_special
from core.judges.templates import fill
from core.spec import Whole, in_range
from core.tasks import check_cancelled

# Raise this when the same settings would score the same answer differently.
CLASSIFIER_VERSION = 1


class ClassifierSpec(LocalJudgeSpec):
    """A local classifier and its input.

    path: folder with safetensors weights, config and tokenizer. label: name of the class whose
    probability is the score; None for class 1. max_tokens: longest input; None for all
    that fit the model.
    """

    kind: Literal["classifier"] = "classifier"
    path: str
    label: str | None = None
    template: str = "{query}\n{answer}"
    max_tokens: Annotated[Whole, in_range(1, 1_000_000)] | None = None
    batch_rows: BatchRows = 16


class ClassifierJudge:
    """Scores an answer by the probability of one label (float32); each distinct answer once a call.

    If an input is too long for the model, the beginning of its query is cut off, never a word of the answer;
    an answer that does not fit alone is unjudged.
    """

    def __init__(self, settings: ClassifierSpec) -> None:
        """Raises ModelError if there is no such classifier or label, in one sentence."""
        self.settings = settings
        folder = Path(settings.path).expanduser()
        self.fingerprint = folder_fingerprint(folder)
        self._model, self._tokenizer = _load(folder, settings.device)
        self._class = _class_index(self._model.config, settings.label, folder)
        rooms = [
            settings.max_tokens,
            getattr(self._model.config, "max_position_embeddings", None),
            self._tokenizer.model_max_length,
        ]
        self._room = min(room for room in rooms if room)

    def spec(self) -> dict[str, Any]:
        """Returns all settings, with a hash of the folder's content instead of its path."""
        settings = self.settings.model_dump(mode="json", exclude={"kind", "path"})
        return {
            "judge": "classifier",
            "version": CLASSIFIER_VERSION,
            "fingerprint": self.fingerprint,
            **settings,
        }

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        """Returns one judgement an answer, in their order."""
        inputs = {answer: self._ids(query, answer) for answer in dict.fromkeys(answers)}
        # Rows of similar length together need less padding.
        fitting = sorted(
            (a for a in inputs if len(inputs[a]) <= self._room), key=lambda a: len(inputs[a])
        )
        judged = {
            answer: Judgement(
                None,
                f"Not judged: the answer alone takes {len(ids)} tokens, and the classifier has room for "
                f"{self._room}.",
            )
            for answer, ids in inputs.items()
        }
        for start in range(0, len(fitting), self.settings.batch_rows):
            check_cancelled()
            batch = fitting[start : start + self.settings.batch_rows]
            scores = self._probabilities([inputs[answer] for answer in batch])
            judged |= zip(batch, map(self._judgement, scores), strict=True)
        return [judged[answer] for answer in answers]

    def _ids(self, query: str, answer: str) -> list[int]:
        """Returns the input's tokens, with as much of the query's end as fits."""
        query, answer = (without_special(self._tokenizer, text) for text in (query, answer))

        def ids(dropped: int) -> list[int]:
            text = fill(self.settings.template, query[dropped:], answer)
            return list(self._tokenizer(text, verbose=False)["input_ids"])

        if len(whole := ids(0)) <= self._room or len(shortest := ids(len(query))) > self._room:
            return whole if len(whole) <= self._room else shortest
        dropped = bisect_left(
            range(len(query)), True, key=lambda count: len(ids(count)) <= self._room
        )
        # A shorter text may, rarely, take more tokens; the bisection is then slightly off.
        shortened = ids(dropped)
        return shortened if len(shortened) <= self._room else shortest

    @torch.inference_mode()
    def _probabilities(self, rows: list[list[int]]) -> list[float]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        device = self._model.device
        logits = self._model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        if self._model.config.problem_type == "multi_label_classification":
            probabilities = logits.float().sigmoid()
        else:
            probabilities = logits.float().softmax(-1)
        return [float(value) for value in probabilities[:, self._class]]

    def _judgement(self, score: float) -> Judgement:
        label = self._model.config.id2label[self._class]
        if not 0.0 <= score <= 1.0:
            return Judgement(None, f"Not judged: the classifier's output is {score}.")
        return Judgement(score, f"Probability of {label!r}: {score:.3f}.")


def _load(folder: Path, device: str) -> tuple[Any, Any]:
    disable_progress_bar()
    set_verbosity_error()
    try:
        model, loading_info = AutoModelForSequenceClassification.from_pretrained(
            str(folder),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
        model.to(torch.device(device))
    except (
        OSError,
        ValueError,
        KeyError,
        HFValidationError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"classifier {str(folder)!r} could not be loaded ({reason})") from error
    # The library fills missing weights with random numbers: the scores would be noise.
    if missing := sorted(loading_info["missing_keys"]):
        raise ModelError(
            f"{str(folder)!r} is no sequence classifier: it has no weights for {missing[0]}"
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ModelError(
                f"the tokenizer of classifier {str(folder)!r} has no token to pad with"
            )
        tokenizer.pad_token = tokenizer.eos_token
    # Decoder classifiers read the last token before the padding, so they need its id.
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    model.eval()
    model.requires_grad_(False)
    return model, tokenizer


def _class_index(config: Any, label: str | None, folder: Path) -> int:
    labels = {str(name): int(index) for index, name in config.id2label.items()}
    if len(labels) < 2:
        raise ModelError(
            f"classifier {str(folder)!r} must have two labels or more, got {len(labels)}"
        )
    if label is None:
        return 1
    if label not in labels:
        raise ModelError(
            f"label must be one of {', '.join(map(repr, labels))}, which classifier {str(folder)!r} "
            f"knows, got {label!r}"
        )
    return labels[label]
