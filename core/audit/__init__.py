"""Audits: many queries asked of one or more models, resumable, shared by processes and machines."""

from core.results.callable_package import make_callable

make_callable(__name__)
