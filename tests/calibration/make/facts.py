"""Small float networks (../models) and what ONNX Runtime computes for two images (../expected).

Random weights; the statistics of batch norms are those of random images, so that values keep a
sensible size. Every tensor of a file is an output; NumPy's percentiles of each are kept beside it.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch

import networks

HERE = pathlib.Path(__file__).resolve().parent.parent
NETWORKS = {
    "lenet": (networks.LeNet5(width=0.5), (1, 28, 28)),
    "resnet": (networks.ResNet20(width=4, blocks=1, inputs=3), (3, 16, 16)),
    "mobilenet": (networks.MobileNetV2(), (3, 16, 16)),
    "squeeze": (networks.SqueezeExcite(), (3, 16, 16)),
}


def settle(model, shape):
    """Lets batch norms see images, then gives their factors and shifts some spread."""
    model.train()
    with torch.no_grad():
        for _ in range(60):
            model(torch.randn(32, *shape))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
    return model


def all_outputs(path):
    """The model with every float tensor as an output."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    names = {info.name for info in model.graph.output}
    for info in model.graph.value_info:
        shape = info.type.tensor_type.shape.dim
        floats = info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        if floats and len(shape) > 1 and info.name not in names:
            model.graph.output.append(info)
    return model


def run(path, images):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(all_outputs(path).SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": images})))


def summary(values):
    """Few numbers that tell a tensor: every k-th value, and its percentiles."""
    flat = values.reshape(-1).astype(np.float64)
    step = max(1, len(flat) // 16)
    percents = [0, 0.5, 5, 50, 95, 99.5, 100]
    return {"shape": list(values.shape), "step": step, "values": flat[::step].tolist(),
            "percents": percents, "percentiles": np.percentile(flat, percents).tolist(),
            "mean": float(flat.mean())}


def main():
    torch.manual_seed(1)
    for folder in ("models", "expected"):
        (HERE / folder).mkdir(exist_ok=True)
    for name, (model, shape) in NETWORKS.items():
        path = HERE / "models" / f"{name}.onnx"
        networks.export(settle(model, shape), shape, str(path))
        # Bytes, as a data set's images are: x = pixel / 255 * 4 - 2.
        pixels = np.random.default_rng(3).integers(0, 256, (2, *shape), dtype=np.uint8)
        images = (pixels.astype(np.float32) * np.float32(4 / 255) - np.float32(2))
        tensors = {k: summary(v) for k, v in run(path, images).items()}
        facts = {"versions": {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__},
                 "pixels": pixels.reshape(-1).tolist(), "shape": list(shape), "tensors": tensors}
        with open(HERE / "expected" / f"{name}.json", "w") as file:
            json.dump(facts, file, separators=(",", ":"))
        print(name, path.stat().st_size, len(tensors))


if __name__ == "__main__":
    main()
