"""Charts as Vega-Lite specs: pages and reports draw the same ones. No chart computes an estimate."""
