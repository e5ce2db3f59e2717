"""Folders that live as long as what is in them is wanted."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref


class TemporaryFolder:
    """A new folder, removed with :meth:`remove`, with the object, or when Python ends; by the
    process that made it alone, as forked ones share it. Unlike tempfile's it does so without a
    ResourceWarning: to let go of results is no mistake."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="flatenn-")
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Calling it again does nothing."""
        self._finalizer()


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
