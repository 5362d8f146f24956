"""Makes rewordings of a query: by rule, by a local instruction model, or by a server."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from core.errors import SpecError, TailscopeError
from core.judges.refusals import STANDARD_REFUSALS, plain_apostrophes
from core.judges.rubric import RubricJudge
from core.models.chat import answer_text, prompt_ids
from core.models.loading import LoadedModel
from core.sampling.shards import draw_rows
from core.sampling.spec import SamplingSpec
from core.spec import GenerationSpec, check_query

MOST = 100
PROMPT = (
    "Write {count} rewordings of the question between the marks. Keep its meaning exactly; change only the "
    "wording. One a line, without numbers, and nothing else.\n<<<\n{query}\n>>>"
)
REPLY_TOKENS = 60  # a rewording
LONGEST_REPLY = 2_000  # tokens

OPENERS = ("", "hello , ", "please , ", "quick question : ", "i was wondering , ", "tell me , ")
CLOSERS = ("", " , please", " , thanks", " , i am curious", " ?")
# Beginnings of questions, which may replace each other; the rest of the question is kept.
FRAMES = (
    "how do i ", "how can i ", "how would i ", "how does one ", "what is the way to ",
    "what is the best way to ",
    "tell me how to ", "explain how to ", "show me how to ", "i want to know how to ", "i would like to ",
    "can you tell me how to ", "could you explain how to ", "what are the steps to ",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """Rewordings. discarded: lines of a model's reply that were not usable: too long, or repeated."""

    wordings: tuple[str, ...]
    discarded: int = 0


def by_rule(query: str, count: int, seed: int = 0) -> Made:
    """Returns rewordings by other openers, frames and closers; the same for the same seed.

    A query that begins with none of the frames keeps its words and gets openers and closers only.

    Raises:
        SpecError: a count outside 1..100.
    """
    _check_count(count)
    plain = " ".join(query.split())
    bare = re.sub(r"\s*[?.!]+$", "", plain)
    frame = next((known for known in FRAMES if bare.lower().startswith(known)), None)
    cores = [bare] if frame is None else [other + bare[len(frame) :] for other in FRAMES]
    made = [f"{opener}{core}{closer}" for opener, core, closer in product(OPENERS, cores, CLOSERS)]
    distinct = [text for text in dict.fromkeys(made) if _spaced(text) != _spaced(query)]
    Random(seed).shuffle(distinct)
    return Made(tuple(distinct[:count]))


def by_model(loaded: LoadedModel, query: str, count: int, seed: int = 0) -> Made:
    """Returns rewordings written by a local instruction model; there may be fewer than requested.

    Raises:
        SpecError: a count outside 1..100.
        ModelError: the prompt does not fit the model.
    """
    _check_count(count)
    prompt = PROMPT.format(count=count, query=query)
    context = int(getattr(loaded.model.config, "max_position_embeddings", 0) or LONGEST_REPLY)
    room = context - len(prompt_ids(loaded, prompt))
    generation = GenerationSpec(max_new_tokens=min(REPLY_TOKENS * count, LONGEST_REPLY, room))
    spec = SamplingSpec.build(
        model_fingerprint=loaded.fingerprint, query=prompt, generation=generation, seed=seed
    )
    rows = draw_rows(loaded, spec, range(1)).rows
    return read_reply(answer_text(loaded, rows.tokens[0, : rows.lengths[0]].tolist()), query, count)


def by_server(server: RubricJudge, query: str, count: int) -> Made:
    """Returns rewordings written by the model on a rubric judge's server, with its address and key.

    Raises:
        SpecError: a count outside 1..100.
        TailscopeError: the server gave no reply.
    """
    _check_count(count)
    prompt = PROMPT.format(count=count, query=query)
    reply, reason = server.ask(prompt, max_tokens=REPLY_TOKENS * count)
    if reply is None:
        raise TailscopeError(f"no rewordings could be made: {reason}")
    return read_reply(reply, query, count)


def read_reply(reply: str, query: str, count: int) -> Made:
    """Returns the rewordings in a reply, one a line, without numbers, bullets and quotation marks.

    A model's thoughts, lines that announce a list, and a refusal are left out.
    """
    seen, wordings, discarded = {_spaced(query)}, [], 0
    for text in _lines(reply):
        if _spaced(text) in seen or text.endswith(":") or not _is_valid(text):
            discarded += 1
            continue
        seen.add(_spaced(text))
        wordings.append(text)
    # Among others, "I cannot find out how to ..." is a rewording; alone it is a refusal.
    if len(wordings) == 1 and plain_apostrophes(wordings[0].lower()).startswith(STANDARD_REFUSALS):
        return Made((), discarded + 1)
    return Made(tuple(wordings[:count]), discarded)


def _lines(reply: str) -> Iterator[str]:
    # A thought that was cut off has no closing tag.
    reply = re.sub(r"<think>.*?(?:</think>|\Z)", "", reply, flags=re.DOTALL)
    for line in reply.splitlines():
        bare = re.sub(r"^\s*(?:\d{1,3}[.):]|[-*•])\s*", "", line).strip()
        bare = bare.removesuffix(",").strip("\"“”'`*").strip()
        if bare:
            yield bare


def _is_valid(text: str) -> bool:
    try:
        check_query(text)
    except ValueError:
        return False
    return True


def _spaced(text: str) -> str:
    return " ".join(text.lower().split())


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST:
        raise SpecError(f"rewordings must be in 1..{MOST}, got {count}")


def read_wordings(queries: Sequence[str], query: str) -> tuple[str, ...]:
    """Returns the wordings that differ from the query itself."""
    return tuple(text for text in queries if _spaced(text) != _spaced(query))
