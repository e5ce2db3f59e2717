"""Packages that only some functions need."""

from __future__ import annotations

import importlib
from typing import Any


def need(package: str, who: str, extra: str) -> Any:
    """The module `package`; where it is not installed, an ImportError that says who needs it and
    how to get it.

    :param extra: the extra of flatenn that brings it (pyproject.toml).
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not (package + ".").startswith(error.name + "."):
            raise  # it is here, and lacks something of its own
        raise ImportError(
            f"{who} needs {error.name}, which is not installed here: pip install 'flatenn[{extra}]'"
        ) from error
