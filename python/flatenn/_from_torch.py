"""Networks from torch modules: exported, imported, compared."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatenn import _core
from flatenn._arguments import (
    array,
    choice,
    expect,
    expect_numbers,
    file_to_write,
    first_line,
    integer,
    number,
    text,
    text_mapping,
)
from flatenn._network import Network, load
from flatenn._optional import need
from flatenn._whole_sums import leave_sums_whole

if TYPE_CHECKING:
    from torch import nn

METHODS = ("minmax", "entropy", "percentile")


def from_torch(
    module: nn.Module,
    example: Any,
    *,
    calibration: Any = None,
    name: str | None = None,
    per_channel: bool = True,
    method: str = "minmax",
    images: int = 512,
    agreement: float = 0.9,
    metadata: dict[str, str] | None = None,
    save: str | os.PathLike[str] | None = None,
) -> Network:
    """The frozen integer network of a torch module: exports it, imports it and compares the two.

    A module of flatenn.torch's layers is exported with the codes that it trained; whatever one of
    its layers reads has to be quantized (QuantInput, QuantReLU or QuantIdentity before it). A float module
    is quantized to 8 bits after training, by ONNX Runtime's quantizer, with the ranges that the
    `calibration` images need.

    :param module: on any device; exported in evaluation mode, and left as it was.
    :param example: images [N, C, H, W] that the module takes: one is enough to export, all of
        them are compared.
    :param calibration: for float modules: images, a torch data set or loader (labels are not
        looked at).
    :param name: by default the name of the module's class.
    :param per_channel: one weight scale an output channel (float modules).
    :param method: how activation ranges follow from calibration: "minmax", "entropy",
        "percentile" (float modules).
    :param images: at most so many calibration images are used.
    :param agreement: least share of the example images (of the places of their maps) whose top-1
        class is the module's.
    :param metadata: texts that travel with the network; "dataset" names one of flatenn's own.
    :param save: keeps the ONNX file here, for ``flatenn campaign`` and other tools.
    :raises ValueError: where module and network disagree; ``network.comparison`` tells by how much
        otherwise.
    :raises ImportError: naming the package that is missing (onnx; onnxruntime for float modules).
    """
    need("torch", "from_torch", "torch")
    import torch
    from torch import nn

    expect("module", module, nn.Module, "a torch module")
    choice("method", method, METHODS)
    limit, least = integer("images", images, 1), number("agreement", agreement, 0.0, 1.0)
    expect("per_channel", per_channel, bool, "True or False")
    told = type(module).__name__ if name is None else text("name", name)
    texts = {} if metadata is None else text_mapping("metadata", metadata)
    kept = None if save is None else file_to_write("save", save)
    batch = _example(module, example)
    quantized = any(hasattr(part, "weight_quantizer") for part in module.modules())
    if not quantized and calibration is None:
        raise ValueError(
            "calibration: is missing: the module computes in float, and images tell the ranges of "
            "its activations"
        )
    with tempfile.TemporaryDirectory(prefix="flatenn-") as folder, _evaluating(module):
        wanted = _logits(module, batch)
        if not isinstance(wanted, torch.Tensor) or wanted.dim() not in (2, 4):
            raise ValueError(
                "module: expected it to return logits of shape [N, classes] or maps of shape "
                "[N, C, H, W]; for other modules there is memory_from_torch"
            )
        file = os.path.join(folder, "module.onnx")
        _export(module, batch[:1], file)
        if not quantized:
            file = _quantize(file, folder, calibration, batch, limit, per_channel, method)
        core = load(file)._core
        if kept is not None:
            shutil.copyfile(file, kept)
    net = Network(core).named(told, {"version": _core.version(), **core.metadata, **texts})
    net._comparison = _compare(net, batch, wanted.cpu().numpy(), least)
    return net


def _example(module: nn.Module, example: Any) -> Any:
    """The images as a float tensor on the module's device."""
    import torch

    images = array("example", example)
    if images.ndim != 4 or len(images) == 0 or images.dtype.kind != "f":
        raise ValueError(
            f"example: expected float images of shape [N, C, H, W], got {images.dtype} "
            f"{tuple(images.shape)}"
        )
    first = next(module.parameters(), None)
    if first is None:
        raise ValueError("module: has no parameters")
    expect_numbers(module)
    _expect_floats(module)
    _expect_finite("example", images)
    return torch.from_numpy(np.array(images, np.float32)).to(first.device)


def _expect_floats(module: nn.Module) -> None:
    """That its numbers are float32 and finite, as exporter and quantizer need them."""
    import torch

    for name, tensor in module.named_parameters():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise TypeError(f"module: {name} is {tensor.dtype}; pass module.float()")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"module: {name} holds numbers that are not finite")
    for name, buffer in module.named_buffers():
        if buffer.is_floating_point() and not bool(torch.isfinite(buffer).all()):
            raise ValueError(f"module: {name} holds numbers that are not finite")


def _expect_finite(name: str, images: npt.NDArray[Any]) -> None:
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        raise ValueError(f"{name}: image {int(finite.argmin())} is not finite")


def _logits(module: nn.Module, batch: Any) -> Any:
    """What the module returns for the images; ValueError where it cannot run them."""
    import torch

    try:
        with torch.no_grad():
            return module(batch)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"example: the module cannot run images of shape {tuple(batch.shape)}: "
            f"{first_line(error)}"
        ) from error
    except Exception as error:
        raise ValueError(
            f"module: its forward raised {type(error).__name__}: {first_line(error)}"
        ) from error


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _export(module: nn.Module, example: Any, file: str) -> None:
    import torch

    need("onnx", "from_torch", "torch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (example,), file, dynamo=False, opset_version=13, input_names=["image"],
                output_names=["logits"], dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            )  # fmt: skip
    except RuntimeError as error:
        raise ValueError(
            f"module: torch.onnx cannot export it: {first_line(error)}"
        ) from error


class _Reader:
    """Calibration images one by one, as ONNX Runtime asks for them."""

    def __init__(self, images: npt.NDArray[np.float32]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[np.newaxis]}


def _calibration_images(
    calibration: Any, batch: Any, limit: int
) -> npt.NDArray[np.float32]:
    from flatenn._gather import split
    from flatenn._images import Images, _batch

    if isinstance(calibration, Images):
        given: Any = calibration.images
    else:
        given, _ = split(calibration, "calibration")
    images = _batch("calibration", given)[:limit]
    if images.dtype != np.float32:
        raise TypeError("calibration: expected what the module takes, float images; got uint8")
    if images.shape[1:] != tuple(batch.shape[1:]):
        raise ValueError(
            f"calibration: expected images of shape {tuple(batch.shape[1:])}, got "
            f"{images.shape[1:]}"
        )
    _expect_finite("calibration", images)
    return images


def _quantize(
    file: str, folder: str, calibration: Any, batch: Any, limit: int, per_channel: bool, method: str
) -> str:
    """8 bits after training, in QDQ form."""
    images = _calibration_images(calibration, batch, limit)
    who = "from_torch of a float module"
    tool = need("onnxruntime.quantization", who, "torch")
    shapes = need("onnxruntime.quantization.shape_inference", who, "torch")
    prepared, out = os.path.join(folder, "prepared.onnx"), os.path.join(folder, "quantized.onnx")
    methods = {
        "minmax": tool.CalibrationMethod.MinMax,
        "entropy": tool.CalibrationMethod.Entropy,
        "percentile": tool.CalibrationMethod.Percentile,
    }
    # Images of both signs by codes around 0, as flatenn's own layers take them.
    signed = {"image": [{"quant_type": tool.QuantType.QInt8, "symmetric": True}]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes.quant_pre_process(file, prepared)
        tool.quantize_static(
            prepared, out, _Reader(images), quant_format=tool.QuantFormat.QDQ,
            per_channel=per_channel, activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8, calibrate_method=methods[method],
            extra_options={"TensorQuantOverrides": signed} if images.min() < 0 else {},
        )  # fmt: skip
    onnx = need("onnx", who, "torch")
    model = onnx.load(out)
    leave_sums_whole(model)
    onnx.save(model, out)
    return out


def _compare(
    net: Network, batch: Any, wanted: npt.NDArray[Any], least: float
) -> dict[str, float]:
    got = net.run(batch.cpu().numpy())
    wanted = wanted.reshape(got.shape)
    spread = float(wanted.max() - wanted.min()) or 1.0
    told = {
        "images": float(len(got)),
        "same_top1": float((got.argmax(1) == wanted.argmax(1)).mean()),
        "largest_difference": float(np.abs(got - wanted).max()) / spread,
    }
    if told["same_top1"] < least:
        raise ValueError(
            f"module: the network agrees with it on {100 * told['same_top1']:.0f} % of the example "
            f"images only (agreement = {least:g}); more calibration images or another method may "
            "help"
        )
    return told
