"""How a campaign tells how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from flatenn._arguments import describe

#: What `progress` may be: True (a bar on stderr), or a function of (trials done, trials expected,
#: the cell that moved last: label, trials, wanted, accuracy, low, high; None at the start).
Progress = Callable[[int, int, "dict[str, Any] | None"], object]


def reporter(progress: bool | Progress | None) -> Progress | None:
    if progress is None or progress is False:
        return None
    if progress is True:
        return _bar()
    if not callable(progress):
        raise TypeError(f"progress: expected True or a function, got {describe(progress)}")
    return progress


def _bar() -> Progress:
    """tqdm's bar where tqdm is installed, else a line on stderr."""
    try:
        from tqdm.auto import tqdm
    except ImportError:

        def show(done: int, wanted: int, cell: dict[str, Any] | None) -> None:
            label = "" if cell is None else f"  {cell['label']} {100 * cell['accuracy']:.2f} %"
            sys.stderr.write(f"\r{done}/{wanted} trials{label}\033[K")
            if done >= wanted:
                sys.stderr.write("\n")

        return show
    bar = tqdm(unit="trial")

    def update(done: int, wanted: int, cell: dict[str, Any] | None) -> None:
        bar.total = wanted
        bar.update(done - bar.n)
        if cell is not None:
            bar.set_postfix_str(f"{cell['label']} {100 * cell['accuracy']:.2f} %", refresh=False)
        if done >= wanted:
            bar.close()

    return update
