"""`core.audit` and `core.sensitivity` are folders and functions of the Python API; this makes them both.

Importing a folder puts it into its parent under its name, in place of a function there. So the folder itself
can be called, and does what the function does.
"""

import sys
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that can be called as the function of the Python API of the same name."""

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        import core

        return core.FUNCTIONS[self.__name__.rpartition(".")[2]](*arguments, **settings)


def make_callable(package: str) -> None:
    """Makes a package callable. package: its full name, in its own `__init__`."""
    sys.modules[package].__class__ = CallablePackage
