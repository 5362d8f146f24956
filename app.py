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
    pages = {
        "start": ":material/home:",
        "model": ":material/deployed_code:",
        "behaviours": ":material/category:",
        "proposal": ":material/tune:",
        "convergence": ":material/show_chart:",
        "audit": ":material/checklist:",
        "paraphrases": ":material/alt_route:",
        "tails": ":material/trending_up:",
        "deployment": ":material/public:",
        "runs": ":material/history:",
    }
    page = st.navigation(
        [
            st.Page(
                f"pages/{name}/page.py",
                title=name.capitalize(),
                icon=icon,
                url_path=name,
                default=name == "start",
            )
            for name, icon in pages.items()
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
