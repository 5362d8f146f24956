"""Tailscope: how often does a language model give a harmful answer? Run with `make app`."""

# An audit's worker processes read this file under another name, as Python does: they need nothing of it.
if __name__ == "__main__":
    import streamlit as st

    st.set_page_config(
        page_title="Tailscope",
        page_icon=":material/insights:",
        layout="wide",
        menu_items={
            "About": "Tailscope estimates how often a language model gives a harmful answer, "
            "down to one in a million, with an interval that can be trusted."
        },
    )

    # First of all: until it is called, the sidebar lists the files of pages/ as they lie there.
    page = st.navigation(
        [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/model.py", title="Model", icon=":material/deployed_code:"),
            st.Page("pages/behaviours.py", title="Behaviours", icon=":material/category:"),
            st.Page("pages/proposal.py", title="Proposal", icon=":material/tune:"),
            st.Page("pages/convergence.py", title="Convergence", icon=":material/show_chart:"),
            st.Page("pages/audit.py", title="Audit", icon=":material/checklist:"),
            st.Page("pages/paraphrases.py", title="Paraphrases", icon=":material/alt_route:"),
            st.Page("pages/tails.py", title="Tails", icon=":material/trending_up:"),
            st.Page("pages/deployment.py", title="Deployment", icon=":material/public:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/history:"),
        ]
    )

    with st.spinner("Starting: the first time takes a few seconds ...", show_time=True):
        # Here and not above, so that the window shows something while the engine is read.
        from pages.shared.address import read_address, write_address
        from pages.shared.brand import brand
        from pages.shared.sidebar import sidebar

    brand()
    read_address()
    write_address()
    sidebar()
    page.run()
