"""Starts the app's server, as `streamlit run app.py` does: python -m pages.shared.serve [OPTIONS].

Streamlit takes a folder pages/ for the list of an app's pages until the app has called st.navigation once.
The first address that a server is asked for, such as /convergence after a restart, would be "not found".
"""

import sys
from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

APP = Path(__file__).parents[2] / "app.py"

if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    main(["run", str(APP), *sys.argv[1:]], prog_name="streamlit")
