"""Of a long list of cases the suite runs a slice; `pytest --whole`, and `make chaos`, run them all.

A slice has each kind of victim and each point that is a row of the table in docs/architecture.md;
of seeds, the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

WHOLE = pytest.mark.whole


def sliced(cases: Iterable[Any], *kept: Any) -> list[Any]:
    """For `pytest.mark.parametrize`: all of them, those beside `kept` for `--whole` alone."""
    cases = list(cases)
    assert all(each in cases for each in kept), "what is kept is one of the cases"
    return [case if case in kept else _left(case) for case in cases]


def _left(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=WHOLE)
