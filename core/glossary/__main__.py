"""Prints docs/glossary.md."""

from core.glossary import as_markdown

print(as_markdown(), end="")
