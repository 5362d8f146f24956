"""Certain bounds on one query's risk, by a search of the tree of answers (docs/method.md#certain-bounds)."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cache import Shard, StoreError, spec_hash
from core.behaviours.load import DEFAULT_BEHAVIOUR, BehaviourName, load_behaviour
from core.errors import SpecError
from core.estimation.words import certainly
from core.judges import behaviour_judge, load_judge
from core.look_ahead.answer_tree import AnswerTree, Node, tokens_of
from core.look_ahead.rule import rule_for
from core.look_ahead.witness import Witness
from core.models.checked import load_checked
from core.models.loading import DEFAULT_MODEL, LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import target_arm
from core.sampling.prompt_pass import PromptPass
from core.sampling.scoring import rows_that_fit
from core.sampling.shards import AnyStore
from core.sampling.token_distribution import target_log_probs
from core.sampling.token_rules import under_rules
from core.spec import GenerationSpec, QueryText, Spec, Threshold
from core.tasks import LOADING, Progress, Steps, check_cancelled

DEFAULT_SECONDS = 60.0
# Beginnings looked into between two choices of what is next.
AT_ONCE = 64
# Raise this when the same search would settle other answers.
BOUND_VERSION = 1
# The ends are one number.
MET = 1e-12


class BoundRequest(Spec):
    """Whose risk to bound. judge: a judge's file or short name, None for the behaviour's own."""

    query: QueryText
    model: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()
    behaviour: BehaviourName = DEFAULT_BEHAVIOUR
    generation: GenerationSpec = GenerationSpec()
    judge: str | None = None
    threshold: Threshold | None = None


@dataclass(frozen=True)
class Bounds:
    """What a search has settled: the risk is between low and high, for certain.

    looked_into: beginnings of answers. waiting: those that could be looked into next; none: the search is
    over. seconds: of searching, earlier calls included.
    """

    low: float
    high: float
    looked_into: int
    waiting: int
    seconds: float


@dataclass(frozen=True)
class BoundReport:
    """Bounds on a risk, what was asked, and how the ends moved: (seconds, low, high)."""

    request: BoundRequest
    model_fingerprint: str
    bounds: Bounds
    path: tuple[tuple[float, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON that `bound --json` prints."""
        return {
            **self.request.model_dump(mode="json"),
            "model_fingerprint": self.model_fingerprint,
            **vars(self.bounds),
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        found = self.bounds
        said = certainly(found.low, found.high) or "between 0 and 1,000,000 per million"
        over = " (every answer is settled)" if found.waiting == 0 else ""
        return (
            f"{self.request.query!r} asked of {self.request.model}\n"
            f"certainly {said}\n"
            f"{found.looked_into:,} beginnings of answers looked into in {found.seconds:.0f} s{over}"
        )


def bound_query(
    request: BoundRequest,
    store: AnyStore,
    *,
    seconds: float = DEFAULT_SECONDS,
    looks: int | None = None,
    loaded: LoadedModel | None = None,
    notify: Callable[[str], object] = lambda note: None,
) -> Steps[Bounds | None, BoundReport]:
    """Yields its progress, each with the bounds so far, and returns the report.

    The search goes on where an earlier one of the same request stopped, by its own budget or by a cancel.

    Parameters
    ----------
    seconds: to search in this call. looks: beginnings to look into in this call, None for no limit.
    loaded: the request's model; None: it is checked and loaded here.

    Raises
    ------
    TailscopeError: bad input in one sentence; NoAutomatonError where the judge is not one of rules.
    """
    if not seconds > 0:
        raise SpecError(f"seconds must be above 0, got {seconds:g}")
    if looks is not None and looks < 1:
        raise SpecError(f"looks must be 1 or more, got {looks}")
    behaviour = load_behaviour(request.behaviour)
    own = request.judge is None
    judge = behaviour_judge(request.behaviour) if own else load_judge(str(request.judge))
    threshold = request.threshold or behaviour.spec.threshold
    rule = rule_for(judge, request.query, threshold)
    yield Progress(message=LOADING)
    steps = request.generation.max_new_tokens
    if loaded is None:
        loaded, _ = load_checked(request.model, request.loading, AT_ONCE, steps, notify)
    arm = target_arm(loaded, [request.query], request.generation)
    yield Progress(message="following the judge's rules")
    witness = Witness(loaded, judge, request.query, rule)
    tree = AnswerTree(witness.ahead.automaton, steps)
    search = {
        "bound": BOUND_VERSION,
        "model": loaded.fingerprint,
        "query": request.query,
        "generation": request.generation.model_dump(mode="json"),
        "rule": rule.fingerprint,
    }
    key = f"bounds/{spec_hash(search)}"
    before, prompt = _restored(store, key, tree), PromptPass(arm)
    began, first = time.monotonic(), tree.looked_into
    path: list[tuple[float, float, float]] = []

    def bounds() -> Bounds:
        spent = before + time.monotonic() - began
        return Bounds(tree.low, tree.high, tree.looked_into, tree.waiting, spent)

    try:
        while tree.waiting and tree.high - tree.low > MET:
            spent, looked = time.monotonic() - began, tree.looked_into - first
            if spent >= seconds or (looks is not None and looked >= looks):
                break
            nodes = tree.take(AT_ONCE if looks is None else min(AT_ONCE, looks - looked))
            grow(tree, prompt, request.generation, nodes)
            witness.check_beginnings([node.tokens for node in nodes], steps, seed=tree.looked_into)
            now = bounds()
            path.append((now.seconds, now.low, now.high))
            said = certainly(now.low, now.high) or "nothing certain yet"
            at = min(time.monotonic() - began, seconds)
            yield Progress(at, seconds, "seconds", message=f"certainly {said}", partial=now)
    finally:
        _kept(store, key, tree, before + time.monotonic() - began)
    return BoundReport(request, loaded.fingerprint, bounds(), tuple(path))


def grow(
    tree: AnswerTree, prompt: PromptPass, generation: GenerationSpec, nodes: Sequence[Node]
) -> None:
    """Looks into nodes that were taken out; if that is broken off, those that are left wait again."""
    left = {node.tokens: node for node in nodes}
    try:
        for batch, log_probs in _looked(prompt, generation, nodes):
            for node, row in zip(batch, log_probs, strict=True):
                tree.look_into(node, row)
                del left[node.tokens]
    except BaseException:
        tree.put_back(list(left.values()))
        raise


def _looked(
    prompt: PromptPass, generation: GenerationSpec, nodes: Sequence[Node]
) -> Iterator[tuple[Sequence[Node], NDArray[np.float64]]]:
    """Yields nodes with the log-probabilities of the token after each, (n, V) float64."""
    width = int(prompt.arm.loaded.model.config.get_text_config().vocab_size)
    for length in sorted({len(node.tokens) for node in nodes}):
        alike = [node for node in nodes if len(node.tokens) == length]
        size = rows_that_fit(length + 1, width)
        for start in range(0, len(alike), size):
            check_cancelled()
            batch = alike[start : start + size]
            yield batch, _log_probs(prompt, generation, tokens_of(batch, length))


def _log_probs(
    prompt: PromptPass, generation: GenerationSpec, tokens: NDArray[np.int64]
) -> NDArray[np.float64]:
    loaded = prompt.arm.loaded
    begun = torch.from_numpy(tokens).to(loaded.device)
    # One token more, whatever it is: its logits are what is wanted.
    answers = torch.cat([begun, begun.new_zeros(len(begun), 1)], dim=1)
    logits = prompt.answer_logits(answers)[:, -1]
    if generation.has_token_rules:
        start = torch.tensor([*prompt.arm.prompts[0]], device=begun.device)
        history = torch.cat([start.expand(len(begun), -1), begun], dim=1)
        logits = under_rules(logits, history, generation, loaded.vocabulary)
    # The support is that of the draws, which take it in float32; the probabilities are wider.
    support = target_log_probs(logits, generation, loaded.vocabulary).cpu() > -torch.inf
    scores = logits.cpu()[:, : loaded.vocabulary].double() / generation.temperature
    scores = scores.masked_fill(~support, -torch.inf)
    return np.asarray(scores.log_softmax(-1).numpy())


def _restored(store: AnyStore, key: str, tree: AnswerTree) -> float:
    """Goes on with a stored search; returns the seconds that it took."""
    try:
        shard = store.get(key)
    except StoreError:
        return 0.0
    if shard is None:
        return 0.0
    tree.restore(dict(shard.arrays))
    return float(shard.meta["seconds"])


def _kept(store: AnyStore, key: str, tree: AnswerTree, seconds: float) -> None:
    try:
        store.put(key, Shard(arrays=tree.arrays(), meta={"seconds": seconds}))
    except StoreError:
        return  # told among the store's events; the bounds stand
