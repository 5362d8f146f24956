"""How far the wording of a query, or the way answers are generated, moves its risk."""

from core.results.callable_package import make_callable

make_callable(__name__)
