"""Breaks the sampling code on purpose and checks that a test notices.

    python -m benchmarks.mutations

Each mutation is one textual change in a copy of the repository; the named tests must then fail. One that
survives is a hole in the tests, and this script then ends with exit code 1.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutation:
    """One slip that is easy to make and changes an estimate without any error."""

    name: str
    file: str
    old: str
    new: str
    tests: str = "tests/exactness"


MUTATIONS = (
    Mutation(
        "drop the stop token's likelihood ratio",
        "core/sampling.py",
        "        lengths[rows] = step + 1\n",
        "        lengths[rows] = step + 1\n        log_q[rows[np.isin(chosen, stops)], step] = 0\n",
    ),
    Mutation(
        "swap p and q in the weight",
        "core/estimation/weights.py",
        "LogWeights(log_p - log_mixture(log_q, counts / n))",
        "LogWeights(log_mixture(log_q, counts / n) - log_p)",
    ),
    Mutation(
        "switch one token late",
        "core/sampling.py",
        "step < mixing.t_switch and",
        "step < mixing.t_switch + 1 and",
    ),
    Mutation(
        "switch one token early",
        "core/sampling.py",
        "step < mixing.t_switch and",
        "step < mixing.t_switch - 1 and",
    ),
    Mutation(
        "drop the steered pass one token early",
        "core/sampling.py",
        "step + 1 >= mixing.t_switch:",
        "step + 2 >= mixing.t_switch:",
    ),
    Mutation(
        "exchange the shares of target and steered model",
        "core/token_distribution.py",
        "torch.logaddexp(proposal + math.log1p(-alpha_mix), target + math.log(alpha_mix))",
        "torch.logaddexp(target + math.log1p(-alpha_mix), proposal + math.log(alpha_mix))",
    ),
    Mutation(
        "leave the proposal outside the target's support",
        "core/token_distribution.py",
        "    if generation.top_k is not None or generation.top_p < 1.0:\n",
        "    if False:\n",
    ),
    Mutation(
        "truncate the target after the temperature was forgotten",
        "core/token_distribution.py",
        "        scores = scores / generation.temperature\n",
        "        scores = scores * generation.temperature\n",
    ),
    Mutation(
        "forget one of two stop tokens",
        "core/sampling.py",
        "stops = np.array(stop_token_ids, dtype=np.int64)",
        "stops = np.array(stop_token_ids[:1], dtype=np.int64)",
    ),
    Mutation(
        "draw the target share from the proposal",
        "core/sampling.py",
        "((target, by_target), (mixed, ~by_target))",
        "((mixed, by_target), (mixed, ~by_target))",
    ),
    Mutation(
        "draw ids past the tokenizer",
        "core/token_distribution.py",
        "    if vocabulary < scores.shape[-1]:\n",
        "    if False:\n",
    ),
    Mutation(
        "steer one position late",
        "core/streams.py",
        "coefficient[prompt_length - 1 :] = -self.strength",
        "coefficient[prompt_length:] = -self.strength",
    ),
    Mutation(
        "leave the defensive share out of the density",
        "core/estimation/weights.py",
        "used = np.flatnonzero(shares > 0)",
        "used = np.flatnonzero(shares > 0)[:1]",
    ),
    Mutation(
        "keep the wrong rows' cache",
        "core/streams.py",
        "self.fill(keys.index_select(0, indices), values.index_select(0, indices))",
        "self.fill(keys[: len(indices)], values[: len(indices)])",
        tests="tests/test_log_probs.py",
    ),
    Mutation(
        "let answers that differ share a place",
        "core/sampling.py",
        "np.unique(np.stack([place, chosen]), axis=1",
        "np.unique(np.stack([place * 0, chosen]), axis=1",
    ),
    Mutation(
        "draw from other numbers than the row's own",
        "core/engine.py",
        "batch = range(start, min(start + batch_rows, rows.stop))",
        "batch = range(start - rows.start, min(start + batch_rows, rows.stop) - rows.start)",
        tests="tests/test_engine.py",
    ),
)


def main() -> None:
    survivors = []
    for mutation in MUTATIONS:
        caught = is_caught(mutation)
        print(f"{'caught' if caught else 'SURVIVED':>8}  {mutation.name}", flush=True)
        if not caught:
            survivors.append(mutation.name)
    print(f"{len(MUTATIONS) - len(survivors)} of {len(MUTATIONS)} caught")
    sys.exit(1 if survivors else 0)


def is_caught(mutation: Mutation) -> bool:
    """Returns whether the tests fail on the broken copy.

    Raises:
        ValueError: the text to break is not there exactly once.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("core", "cache", "tests", "pyproject.toml"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        broken = copy / mutation.file
        text = broken.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise ValueError(f"{mutation.file} must hold once: {mutation.old!r}")
        broken.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutation.tests],
            cwd=copy,
            capture_output=True,
            check=False,
        )
    return result.returncode == 1


if __name__ == "__main__":
    main()
