"""Pages run by AppTest: each test has a store of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from core.audit.folder import AuditFolder, open_folder
from core.audit.spec import audit_id
from core.runs.catalogue import audits_folder
from core.tails.memo import Prefetcher
from tests.pages import driver
from tests.pages.audits import QUERIES, SPEC, make_audit
from tests.pages.driver import OpenPage


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache folder of the test's own, and nothing computed that the test does not ask for."""
    monkeypatch.setenv("TAILSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Prefetcher, "want", lambda *_: None)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def open_page() -> OpenPage:
    """Opens a page's own file."""
    return driver.open_page


@pytest.fixture
def open_in_app() -> OpenPage:
    """Opens a page inside the app."""
    return driver.open_in_app


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `home` and `cache` of a finished audit; not to be changed."""
    base = tmp_path_factory.mktemp("audit")
    make_audit(base / "home", base / "cache")
    return base


@pytest.fixture
def audit(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditFolder:
    """A finished audit in folders of the test's own; the catalogue still names the first ones."""
    for name in ("home", "cache"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        shutil.copytree(finished / name, tmp_path / name)
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TAILSCOPE_CACHE", str(tmp_path / "cache"))
    return open_folder(audits_folder() / audit_id(SPEC, QUERIES))
