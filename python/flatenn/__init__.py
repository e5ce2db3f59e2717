"""Quantized neural networks under hardware faults: exact, fast, in three lines.

    import flatenn

    net = flatenn.load("model.onnx")
    results = flatenn.campaign(net, (images, labels), rates=[1e-3, 1e-2], trials=100)
    results.to_pandas()

Everything that computes is flatenn's C++ library; this package is a typed window on it. Names are
loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing itself takes longer to import than all of this
if TYPE_CHECKING:
    from flatenn import torch as torch
    from flatenn._campaign import campaign as campaign
    from flatenn._core import Error as Error
    from flatenn._fault_model import FaultModel as FaultModel
    from flatenn._faults import FaultMap as FaultMap
    from flatenn._from_torch import from_torch as from_torch
    from flatenn._images import Images as Images
    from flatenn._images import load_images as load_images
    from flatenn._memory import memory_from_torch as memory_from_torch
    from flatenn._metric import MetricResults as MetricResults
    from flatenn._network import Network as Network
    from flatenn._network import load as load
    from flatenn._results import Results as Results
    from flatenn._results import load_results as load_results
    from flatenn._table import Table as Table
    from flatenn._to_torch import AppliedFaults as AppliedFaults
    from flatenn._to_torch import apply_to_torch as apply_to_torch

    __version__: str

_HOMES = {
    "AppliedFaults": "_to_torch",
    "Error": "_core",
    "FaultMap": "_faults",
    "FaultModel": "_fault_model",
    "Images": "_images",
    "MetricResults": "_metric",
    "Network": "_network",
    "Results": "_results",
    "Table": "_table",
    "apply_to_torch": "_to_torch",
    "campaign": "_campaign",
    "from_torch": "_from_torch",
    "load": "_network",
    "load_images": "_images",
    "load_results": "_results",
    "memory_from_torch": "_memory",
}

__all__ = [*sorted(_HOMES), "__version__", "torch"]


def __getattr__(name: str) -> object:
    if name == "torch":
        return import_module("flatenn.torch")
    if name == "__version__":
        value: object = import_module("flatenn._core").version()
    elif name in _HOMES:
        value = getattr(import_module(f"flatenn.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'flatenn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
