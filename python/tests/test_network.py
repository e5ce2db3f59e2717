from __future__ import annotations

import gzip
import json
import pathlib

import numpy as np
import pytest
from conftest import CORPUS, random_images, random_labels

import flatenn

EXPECTED = CORPUS.parent / "expected"


def test_layers_are_a_table(lenet: flatenn.Network) -> None:
    assert lenet.layers["name"] == ["conv1", "pool2", "conv3", "pool4", "fc5", "fc6", "fc7"]
    row = lenet.layers[0]
    assert row["kind"] == "conv" and row["weights"] == 150 and row["macs"] == 150 * 28 * 28
    assert sum(r["weights"] * r["bits"] for r in lenet.layers) == lenet.weight_bits
    assert "<table>" in lenet._repr_html_() and "conv1" in repr(lenet.layers)


def test_weights_are_views(lenet: flatenn.Network) -> None:
    first, again = lenet.weights("conv1"), lenet.weights(0)
    assert first.shape == (6, 1, 5, 5) and first.dtype == np.int8
    assert np.shares_memory(first, again)
    assert not first.flags.writeable
    real = lenet.dequantized("conv1")
    assert np.array_equal(real, first * lenet.scales("conv1").reshape(-1, 1, 1, 1))


def test_views_outlive_the_network(lenet_path: str) -> None:
    net = flatenn.load(lenet_path)
    codes = net.weights("fc5")
    kept = codes.copy()
    del net
    assert np.array_equal(codes, kept)


def corpus(name: str) -> dict[str, np.ndarray]:
    """What ONNX Runtime computed: tests/corpus/README.md has the format."""
    told = json.loads((EXPECTED / f"{name}.json").read_text())
    raw = gzip.decompress((EXPECTED / f"{name}.bin").read_bytes())
    return {
        t["name"]: np.frombuffer(
            raw, t["dtype"], int(np.prod(t["shape"])), t["offset"]
        ).reshape(t["shape"])
        for t in told["tensors"]
    } | {"top1": np.array(told["top1"])}


@pytest.mark.parametrize("name", ["ort_qdq_plain_u8s8", "brevitas_qcdq_w4a4_pc", "nncf_residual"])
def test_run_gives_what_onnx_runtime_gives(name: str) -> None:
    net = flatenn.load(CORPUS / f"{name}.onnx")
    expected = corpus(name)
    images = next(iter(expected.values()))
    logits = net.run(images)
    assert logits.shape == (2, net.classes) and logits.dtype == np.float32
    assert np.array_equal(logits.argmax(1), expected["top1"])


def test_all_engines_give_the_same_bits(lenet: flatenn.Network) -> None:
    images = random_images(lenet, 40)
    reference = lenet.run(images, engine="reference", threads=1)
    for engine in ("cpu", "lanes", "onednn"):
        assert np.array_equal(lenet.run(images, engine=engine, threads=2), reference), engine


def test_layouts_and_types_of_images_do_not_matter(lenet: flatenn.Network) -> None:
    images = random_images(lenet, 8)
    logits = lenet.run(images)
    assert np.array_equal(lenet.run(images.astype(np.float64)), logits)
    assert np.array_equal(lenet.run(np.asfortranarray(images)), logits)
    assert np.array_equal(lenet.run(images[::-1])[::-1], logits)
    assert np.array_equal(lenet.run(images[:, 0]), logits)  # [N, H, W] is one channel
    assert np.array_equal(lenet.run([image for image in images]), logits)
    padded = np.zeros((8, 1, 28, 40), np.float32)
    padded[..., :28] = images
    assert np.array_equal(lenet.run(padded[..., :28]), logits)


def test_pixels_are_normalized_as_asked(lenet: flatenn.Network) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 1, 28, 28), np.uint8)
    mean, std = np.float32(0.3), np.float32(0.2)
    real = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    assert np.array_equal(lenet.run(pixels, mean=[0.3], std=[0.2]), lenet.run(real))


def test_codes_are_those_of_the_contract(lenet: flatenn.Network) -> None:
    images = random_images(lenet, 4)
    image = lenet.activations[0]
    expected = np.clip(np.rint(images / np.float32(image["scale"])), -128, 127)
    assert np.array_equal(lenet.codes(images), expected.astype(np.int16))
    out = lenet.codes(images, "conv1")
    assert out.shape == (4, 6, 28, 28) and out.min() >= 0 and out.max() <= 15
    # conv1 worked by hand on one image: exact sums, one multiplier, rounding half to even.
    padded = np.pad(expected[0, 0].astype(np.int64), 2)
    weights = lenet.weights("conv1").astype(np.int64)
    sums = np.array(
        [[[(padded[y : y + 5, x : x + 5] * w[0]).sum() for x in range(28)] for y in range(28)]
         for w in weights]
    )  # fmt: skip
    scale = np.broadcast_to(lenet.scales("conv1").astype(np.float64), (6,))
    factor = image["scale"] * scale / lenet.activations[1]["scale"]
    real = (sums.astype(np.float32) + lenet.bias("conv1")[:, None, None].astype(np.float32)) * (
        factor.astype(np.float32)[:, None, None]
    )
    assert np.array_equal(out[0], np.clip(np.rint(np.maximum(real, 0)), 0, 15).astype(np.int16))


def test_evaluate_counts_right_answers(lenet: flatenn.Network) -> None:
    images, labels = random_images(lenet, 50), random_labels(lenet, 50)
    got = lenet.evaluate((images, labels))
    logits = lenet.run(images)
    assert got["images"] == 50 and got["correct"] == int((logits.argmax(1) == labels).sum())
    exact = logits.astype(np.float64)
    top = exact.max(1)
    loss = np.log(np.exp(exact - top[:, None]).sum(1)) + top - exact[np.arange(50), labels]
    assert got["loss"] == pytest.approx(loss.mean(), rel=1e-6)


@pytest.mark.parametrize("name", ["windows_int8", "windows_uint8", "arithmetic_uint8"])
def test_run_gives_what_tensorflow_lite_gives(name: str) -> None:
    net = flatenn.load(CORPUS / f"tflite_{name}_hand.tflite")
    tensors = list(corpus(f"tflite_{name}_hand").values())
    last = net.activations[-1]
    codes = tensors[0].astype(np.int32).transpose(0, 3, 1, 2)  # theirs: height, width, channel
    images = (codes - np.iinfo(tensors[0].dtype).min).astype(np.uint8)  # pixels
    assert np.array_equal(net.codes(images), codes)
    answer = tensors[-2].astype(np.int32).reshape(len(images), -1)  # in front of top1
    real = (answer - last["zero_point"]) * np.float32(last["scale"])
    assert np.array_equal(net.run(images), real)


@pytest.mark.parametrize(
    "path", sorted([*CORPUS.glob("*.onnx"), *CORPUS.glob("*.tflite")]), ids=lambda path: path.stem
)
def test_pickles_keep_everything(path: pathlib.Path) -> None:
    import pickle

    try:
        net = flatenn.load(path)
    except flatenn.Error:
        pytest.skip("refused, as its manifest says")
    copy = pickle.loads(pickle.dumps(net))
    assert copy == net and copy.metadata == net.metadata and copy.layers == net.layers
    assert copy.activations == net.activations
    images = random_images(net, 3)
    assert np.array_equal(copy.run(images), net.run(images))


def test_saved_networks_come_back(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    lenet.save(tmp_path / "again.onnx")
    assert flatenn.load(tmp_path / "again.onnx") == lenet
