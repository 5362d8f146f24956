"""A small finished audit for the pages to look at, made once."""

from __future__ import annotations

import os
from pathlib import Path

from cache import Store
from core.audit.folder import AuditFolder, begin_folder, open_folder
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.audit.task import audit_task
from core.behaviours.load import load_queries
from core.executors.serial import SerialExecutor
from core.runs.catalogue import audits_folder

SPEC = AuditSpec(
    models=(AuditModel(name="aster"), AuditModel(name="briar")),
    samples=250,
    monte_carlo_samples=20,
)
QUERIES = load_queries("misuse")[:6]


def make_audit(home: Path, cache: Path, spec: AuditSpec = SPEC, *, run: bool = True) -> AuditFolder:
    """Returns an audit of a few queries, in the folders given; whole if it is to be run."""
    before = os.environ.get("TAILSCOPE_HOME")
    os.environ["TAILSCOPE_HOME"] = str(home)
    try:
        path = audits_folder() / audit_id(spec, QUERIES)
        folder = begin_folder(path, spec, QUERIES)
        if run:
            with Store(cache) as store:
                snapshot = audit_task(folder, SerialExecutor, store).start().wait(300)
            assert snapshot.status == "done", snapshot.error
        return open_folder(path)
    finally:
        if before is None:
            del os.environ["TAILSCOPE_HOME"]
        else:
            os.environ["TAILSCOPE_HOME"] = before
