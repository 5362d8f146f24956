"""Reports: a run, an audit, wordings or a tail as one HTML file that needs no network and runs no script."""
