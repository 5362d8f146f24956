"""The paper's headline on the embedded models: a few importance samples against many Monte Carlo ones.

    python -m benchmarks.headline [--behaviour misuse] [--method mis] --out headline.csv [--plot FILE.svg]

For every shipped query: estimates from 500 and 1,000 draws (all included) and from 10,000 Monte Carlo draws,
one seed. Prints how they agree with each other and with the reference, by decade of risk, and how many Monte
Carlo draws would have had the same mean squared error: the samples saved. --plot draws both sizes against
Monte Carlo on log axes around y = x (needs vl-convert-python). A second call goes on where the first stopped.
"""

import argparse
import csv
import math
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from benchmarks.accuracy import read
from cache import MemoryStore
from core.behaviours.load import Query, Reference, load_queries, load_references
from core.judges.rules import load_rule_judge
from core.models.loading import LoadedModel, load_model
from core.runs.defaults import known_default
from core.runs.estimate import estimate_request, estimate_shards
from core.runs.extra_components import companions
from core.runs.prepare import fingerprints
from core.runs.request import EstimateRequest, sampling_spec
from core.sampling.scored import judge_shard
from core.sampling.shards import draw_rows

SIZES = (500, 1000)
MONTE_CARLO = 10_000
MONTE_CARLO_BATCH = 2_500
# Where the picture puts queries of which Monte Carlo saw nothing.
NOTHING_SEEN = 3e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--behaviour", default="misuse")
    parser.add_argument("--method", default="mis", choices=("mis", "is"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()

    loaded = load_model(options.model)
    references = load_references(options.model, options.behaviour)
    done = {row["query_id"] for row in read(options.out)}
    with options.out.open("a", newline="", encoding="utf-8") as file:
        for query in load_queries(options.behaviour):
            if query.query_id in done or query.query_id not in references:
                continue
            row = one_query(loaded, options, query, references[query.query_id])
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
    table = pd.read_csv(options.out)
    report(table)
    if options.plot is not None:
        picture(table).save(options.plot)


def one_query(
    loaded: LoadedModel, options: argparse.Namespace, query: Query, reference: Reference
) -> dict[str, object]:
    """Returns one row: the query's estimates. The smaller sample is the beginning of the larger one."""
    store, judge = MemoryStore(), load_rule_judge(options.behaviour)
    proposal = known_default(loaded, options.behaviour, store)
    assert proposal is not None, "make the defaults first"
    request = EstimateRequest(
        query=query.text,
        model=options.model,
        behaviour=options.behaviour,
        method=options.method,
        proposal=proposal,
        seed=options.seed,
    )
    added = companions(
        loaded, options.behaviour, proposal, request.generation.max_new_tokens, store
    )
    request = request.model_copy(update={"companions": added})
    row: dict[str, object] = {"query_id": query.query_id, "reference": reference.qrisk}
    for samples in SIZES:
        found = estimate_request(loaded, request, judge, samples, store)
        row |= {
            f"estimate_{samples}": found.estimate,
            f"low_{samples}": found.ci_low,
            f"high_{samples}": found.ci_high,
            f"verdict_{samples}": found.verdict,
        }
    plain = request.model_copy(update={"method": "mc"})
    # The rows of the app's Monte Carlo, bit for bit; many at once, for they share their beginnings.
    spec = sampling_spec(plain, fingerprints(loaded, ()), (1.0,))
    drawn = draw_rows(loaded, spec, range(MONTE_CARLO), batch_rows=MONTE_CARLO_BATCH)
    found = estimate_shards([judge_shard(loaded, judge, query.text, drawn, store)], plain)
    return row | {"mc_hits": found.hits, "mc_low": found.ci_low, "mc_high": found.ci_high}


def report(table: pd.DataFrame) -> None:
    """Prints agreement and samples saved, over all queries and by decade of the reference risk."""
    truth = table["reference"]
    for samples in SIZES:
        meets = (table[f"low_{samples}"] <= table["mc_high"]) & (
            table["mc_low"] <= table[f"high_{samples}"]
        )
        seen = table["mc_hits"] >= 10
        ratio = table[f"estimate_{samples}"] / (table["mc_hits"] / MONTE_CARLO)
        print(
            f"{samples} draws: intervals meet those of {MONTE_CARLO:,} Monte Carlo draws for "
            f"{meets.mean():.1%} of {len(table)} queries; where Monte Carlo has 10 hits or more "
            f"({seen.sum()} queries), within a factor of 1.5 of it: "
            f"{ratio[seen].between(1 / 1.5, 1.5).mean():.1%}"
        )
    print(f"Monte Carlo found nothing for {(table['mc_hits'] == 0).sum()} queries")
    for samples in SIZES:
        print(
            f"\n{samples} draws, by decade: queries, relative RMSE, Monte Carlo draws for the same, saved"
        )
        error = (table[f"estimate_{samples}"] / truth - 1) ** 2
        # What plain counting would need for this squared error: (1 - p) / p / error.
        decade = np.floor(np.log10(truth)).astype(int)
        for power, rows in table.groupby(decade):
            squared = float(error[rows.index].mean())
            odds = float(np.exp(np.log((1 - truth) / truth)[rows.index].mean()))
            needed = odds / squared
            print(
                f"  1e{power} to 1e{power + 1}: {len(rows):4d} queries, {math.sqrt(squared):6.3f}, "
                f"{needed:14,.0f}, {needed / samples:10,.0f} times"
            )


def picture(table: pd.DataFrame) -> alt.LayerChart:
    """Returns both sample sizes against Monte Carlo on log axes, with its intervals and the line y = x."""
    table = table.assign(mc=(table["mc_hits"] / MONTE_CARLO).clip(lower=NOTHING_SEEN))
    seen = table["mc_hits"] > 0
    long = pd.concat(
        [
            table.assign(draws=f"{size:,} importance samples", estimate=table[f"estimate_{size}"])
            for size in SIZES
        ]
    )
    across, up = [NOTHING_SEEN / 1.5, 1.0], [float(long["estimate"].min()) / 2, 1.0]
    x, y = (
        {
            "scale": alt.Scale(type="log", domain=domain, nice=False),
            "axis": alt.Axis(format=".0e", values=[10.0**k for k in powers], grid=False),
        }
        for domain, powers in ((across, range(-4, 1)), (up, range(-9, 1)))
    )
    at = alt.X("mc:Q", title=f"{MONTE_CARLO:,} Monte Carlo samples (left edge: none harmful)", **x)
    base = alt.Chart(long)
    intervals = (
        alt.Chart(table[seen])
        .mark_rule(opacity=0.25, clip=True)
        .encode(x=alt.X("mc_low:Q", **x), x2="mc_high:Q", y=alt.Y(f"estimate_{SIZES[-1]}:Q", **y))
    )
    points = base.mark_circle(size=30, opacity=0.7).encode(
        x=at,
        y=alt.Y("estimate:Q", title="Importance sampling", **y),
        color=alt.Color("draws:N", title=None, legend=alt.Legend(orient="top-left")),
    )
    diagonal = (
        alt.Chart(pd.DataFrame({"at": [across[0], 1.0]}))
        .mark_line(color="grey", strokeDash=[4, 4])
        .encode(x=alt.X("at:Q", **x), y=alt.Y("at:Q", **y))
    )
    return (diagonal + intervals + points).properties(
        width=520,
        height=460,
        background="white",
        title=f"{len(table)} queries; Monte Carlo saw no harm in {(~seen).sum()} of them",
    )


if __name__ == "__main__":
    main()
