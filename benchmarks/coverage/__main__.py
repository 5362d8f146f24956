"""How often each interval and band that Tailscope shows holds the truth, in worlds where it is known.

    python -m benchmarks.coverage [PART ...] [--runs 300] [--off]

Prints a Markdown table: a row a band and world with the share of runs in which the truth was inside, below
and above, and the reason where it is outside 93 to 97% by more than luck. --off: those rows alone. `tails`
takes a second a run and world; more of it: `python -m benchmarks.tail_clusters`.
"""

import argparse
import time
from itertools import groupby

from benchmarks.coverage import estimates, look_ahead, repeated_sampling, tails, wordings
from benchmarks.coverage.row import HEAD, RULE, line

PARTS = {
    "estimates": estimates.rows,
    "repeated_sampling": repeated_sampling.rows,
    "wordings": wordings.rows,
    "tails": tails.rows,
    "look_ahead": look_ahead.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--off", action="store_true")
    options = parser.parse_args()
    print(HEAD, RULE, sep="\n")
    began, count, off = time.perf_counter(), 0, 0
    for part in options.parts or PARTS:
        rows = PARTS[part](options.runs)
        for _, group in groupby(rows, key=lambda row: (row.band, row.world)):
            alike = list(group)
            missed = sum(row.off for row in alike)
            count, off = count + len(alike), off + missed
            if missed or not options.off:
                print(line(alike), flush=True)
    print(f"\n{count} figures, {off} off, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
