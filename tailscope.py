"""The `tailscope` command. It runs in a checkout; installed elsewhere it says so in one sentence.

Only this file is installed: `core`, `cache` and `pages` are names that others use too, and the models in
`sample_data` belong to the checkout.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent


def main() -> None:
    """Runs the command line; ends the process."""
    if not (CHECKOUT / "core" / "cli" / "app.py").is_file():
        _refuse(
            "Tailscope runs from its checkout: clone its repository, run `make app` or "
            "`pip install -r requirements.txt -e .` in it, and use the tailscope command which that installs"
        )
    if find_spec("typer") is None or find_spec("torch") is None:
        _refuse(
            f"what Tailscope needs is not installed: run `make app` or `pip install -r requirements.txt` "
            f"in {CHECKOUT}"
        )
    from core.cli.app import main as run

    run()


def _refuse(message: str) -> None:
    print(f"tailscope: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
