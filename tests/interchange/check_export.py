#!/usr/bin/env python3
"""Compares files that flatenn exports with what other tools make of them.

check_export.py --build BUILD [--images N] [--only WORD] [--zoo FOLDER] [--corpus FOLDER] [--json FILE]

For every network of tests/corpus that flatenn reads, and for the random networks of write_zoo, in
every form of `flatenn export`:
  - onnx's checker in full mode and strict shape inference;
  - ONNX Runtime, graph optimizations off and on (qonnx's executor for the form qonnx): the codes of
    every activation, and top-1, against flatenn's reference engine;
  - the safetensors package: reads what flatenn writes, and writes what flatenn reads.
A runtime computes real numbers in float32 where flatenn adds integers, so a code may land one step
away where the number lies within TIE of the middle between two codes. Such ties are counted; what an
image computes behind one is left out. Any other difference is a failure (exit 1).

Packages: requirements.txt beside this file. Exits with 77 where they are missing.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    import safetensors.numpy
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes
except ImportError as error:
    print(f"skipped: {error} (pip install -r tests/interchange/requirements.txt)")
    sys.exit(77)

ort.set_default_logger_severity(4)  # failures are exceptions
HERE = pathlib.Path(__file__).resolve().parent
FORMS = ("qdq", "qdq-int4", "qonnx")
# Of a code: float32 sums of up to some thousand products, at most 255 codes high.
TIE = 2e-3
# Of logits, relative to the largest: likewise.
CLOSE = 1e-4


def run(*command):
    """Runs a program; its output, or its message as an error."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(command))
    return done.stdout


class Trace:
    """What flatenn's reference engine computes (tests/write_trace.cpp)."""

    def __init__(self, program, model, images, folder):
        run(program, model, images, folder)
        self.activations = json.loads((folder / "trace.json").read_text())
        self.images = images
        self.values = []
        for k, a in enumerate(self.activations):
            kind = np.float32 if a["float"] else np.int16
            self.values.append(np.fromfile(folder / f"codes.{k}", kind).reshape(images, -1))
        shape = [images, *self.activations[0]["shape"]]
        self.pixels = np.fromfile(folder / "pixels", np.float32).reshape(shape)
        # The last layer's output: read by none.
        read = {i for a in self.activations for i in a.get("reads", ())}
        self.logits = next(k for k in range(len(self.activations) - 1, -1, -1) if k not in read)


def quantizer_inputs(model):
    """For each real tensor behind a quantizer, the tensor that it rounds."""
    made_by = {out: node for node in model.graph.node for out in node.output}
    result = {}
    for node in model.graph.node:
        if node.op_type == "Quant":
            result[node.output[0]] = node.input[0]
        if node.op_type != "DequantizeLinear":
            continue
        source = made_by.get(node.input[0])
        if source is not None and source.op_type == "Clip":
            source = made_by.get(source.input[0])
        if source is not None and source.op_type == "QuantizeLinear":
            result[node.output[0]] = source.input[0]
    return result


def check_file(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model


def with_outputs(model, names):
    """A copy of the model that gives these tensors too."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {o.name for o in copy.graph.output}
    for name in names:
        if name not in known:
            copy.graph.output.append(onnx.ValueInfoProto(name=name))
    return copy


def session(model, optimized):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    # Processors without VNNI saturate products of u8 and s8 at 16 bits; this asks for exact ones.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_runtime(model, trace, names, optimized):
    one = session(with_outputs(model, names), optimized)
    outputs = [o.name for o in one.get_outputs()]
    return dict(zip(outputs, one.run(None, {one.get_inputs()[0].name: trace.pixels})))


def run_qonnx(model, trace):
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = trace.images
    wrapper = ModelWrapper(fixed).transform(InferShapes())
    name = wrapper.graph.input[0].name
    return execute_onnx(wrapper, {name: trace.pixels}, return_full_exec_context=True)


class Counts(collections.Counter):
    """Of one form: files, images, codes, ties, images behind ties, top-1 that differ or tie."""


def compare_codes(trace, tensors, rounded, before, counts):
    """Failures: codes that differ and are no tie. before: tensors of a run without optimizations."""
    failures = []
    differs = [np.zeros(trace.images, bool) for _ in trace.activations]
    order = range(len(trace.activations))
    for k in order:
        a = trace.activations[k]
        for i in a.get("reads", ()):
            differs[k] |= differs[i]
        if a["float"]:
            continue
        real = tensors[a["name"]].reshape(trace.images, -1).astype(np.float64)
        codes = np.rint(real / a["scale"]) + a["zero_point"]
        wrong = codes != trace.values[k]
        counts["codes"] += int(codes[~differs[k]].size)
        fresh = wrong & ~differs[k][:, None]
        if fresh.any():
            source = rounded.get(a["name"])
            y = before[source].reshape(trace.images, -1)[fresh] / a["scale"] if source else None
            off = np.abs(codes - trace.values[k])[fresh]
            tie = source is not None and np.all(np.abs(np.abs(y - np.floor(y)) - 0.5) < TIE) and off.max() <= 1
            if not tie:
                failures.append(f"{a['name']}: {int(fresh.sum())} codes differ, by up to {int(off.max())}")
            counts["ties"] += int(fresh.sum())
        differs[k] |= wrong.any(axis=1)
    return failures, differs[trace.logits]


def compare_top1(trace, logits, behind_tie, counts):
    ours = trace.values[trace.logits].astype(np.float64)
    theirs = logits.reshape(ours.shape)
    a = trace.activations[trace.logits]
    if not a["float"]:
        theirs = np.rint(theirs / a["scale"]) + a["zero_point"]
    counts["images"] += trace.images
    counts["images behind ties"] += int(behind_tie.sum())
    failures = []
    for i in np.flatnonzero(ours.argmax(1) != theirs.argmax(1)):
        top = np.sort(ours[i])[::-1]
        if top[0] - top[1] <= CLOSE * max(1e-30, np.abs(ours[i]).max()):
            counts["top-1 ties"] += 1
        elif behind_tie[i]:
            counts["top-1 behind ties"] += 1
        else:
            failures.append(f"image {i}: top-1 {theirs[i].argmax()}, expected {ours[i].argmax()}")
    if a["float"]:
        clean = ~behind_tie
        scale = np.abs(ours).max(initial=1e-30)
        error = np.abs(ours - theirs)[clean].max(initial=0) / scale
        if error > CLOSE:
            failures.append(f"logits differ by {error:.2g} of the largest")
    return failures


def check_form(path, form, trace, counts):
    model = check_file(path)
    rounded = quantizer_inputs(model)
    names = [a["name"] for a in trace.activations]
    logits = names[trace.logits]
    failures = []
    if form == "qonnx":
        tensors = run_qonnx(model, trace)
        found, behind = compare_codes(trace, tensors, rounded, tensors, counts[form])
        failures += found + compare_top1(trace, tensors[logits], behind, counts[form])
        counts[form]["files"] += 1
        return [f"{form}: {f}" for f in failures]
    plain = run_runtime(model, trace, [*names, *rounded.values()], optimized=False)
    for optimized in (False, True):
        key = f"{form}, optimizations {'on' if optimized else 'off'}"
        tensors = run_runtime(model, trace, names, True) if optimized else plain
        found, behind = compare_codes(trace, tensors, rounded, plain, counts[key])
        if optimized:  # as users run it, all fusions done
            tensors = run_runtime(model, trace, [], True)
        found += compare_top1(trace, tensors[logits], behind, counts[key])
        counts[key]["files"] += 1
        failures += [f"{key}: {f}" for f in found]
    return failures


def check_safetensors(flatenn, model, folder, counts):
    """Both ways: read by the package, changed and written by it, read by flatenn."""
    file = folder / "net.safetensors"
    report = json.loads(run(flatenn, "export", model, "-o", file, "--form", "safetensors", "--json"))
    tensors = safetensors.numpy.load_file(file)
    with safetensors.safe_open(file, "numpy") as opened:
        metadata = opened.metadata()
    failures = [] if metadata["content_hash"] == report["content_hash"] else ["content hash"]
    safetensors.numpy.save_file(tensors, folder / "again.safetensors", metadata=metadata)
    again = json.loads(run(flatenn, "export", model, "-o", folder / "again.onnx", "--weights",
                           folder / "again.safetensors", "--json"))
    if again["content_hash"] != report["content_hash"]:
        failures.append("other content after the package wrote it")
    weights = sorted(t for t in tensors if t.endswith(".weight"))
    changed = dict(tensors)
    changed[weights[0]] = np.flip(tensors[weights[0]]).copy()  # codes that fit their words
    safetensors.numpy.save_file(changed, folder / "changed.safetensors")
    run(flatenn, "export", model, "-o", folder / "changed.onnx", "--weights", folder / "changed.safetensors")
    run(flatenn, "export", folder / "changed.onnx", "-o", folder / "changed2.safetensors", "--form", "safetensors")
    if not np.array_equal(safetensors.numpy.load_file(folder / "changed2.safetensors")[weights[0]],
                          changed[weights[0]]):
        failures.append("changed codes did not arrive")
    counts["safetensors"]["files"] += 1
    return [f"safetensors: {f}" for f in failures]


def check_network(tools, name, model, folder, images, counts):
    trace = Trace(tools / "tests" / "flatenn_write_trace", model, images, folder)
    flatenn = tools / "flatenn"
    failures = []
    for form in FORMS:
        out = folder / f"{form}.onnx"
        report = json.loads(run(flatenn, "export", model, "-o", out, "--form", form, "--json"))
        if not report["kept"]:
            failures.append(f"{form}: other content when read again")
        try:
            failures += check_form(out, form, trace, counts)
        except Exception as error:  # a tool's own: the file's fault as far as its users see
            failures.append(f"{form}: {type(error).__name__}: {str(error).splitlines()[0][:300]}")
    failures += check_safetensors(flatenn, model, folder, counts)
    return [f"{name}: {f}" for f in failures]


def networks(tools, corpus, zoo, work):
    """Names and frozen networks; what flatenn refuses is left out and counted."""
    refused = 0
    for file in sorted(corpus.rglob("*.onnx")):
        frozen = work / "frozen.onnx"
        try:
            run(tools / "flatenn", "import", file, "-o", frozen)
        except RuntimeError:
            refused += 1
            continue
        yield file.relative_to(corpus).as_posix(), frozen
    print(f"{refused} files of the corpus are not read by flatenn", file=sys.stderr)
    if zoo is None:
        zoo = work / "zoo"
        run(tools / "tests" / "flatenn_write_zoo", zoo)
    for file in sorted(zoo.glob("*.onnx")):
        yield "zoo/" + file.name, file


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder of flatenn")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--only", default="", help="networks whose name holds this word")
    parser.add_argument("--corpus", type=pathlib.Path, default=HERE.parent / "corpus" / "models")
    parser.add_argument("--zoo", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, help="where the counts go")
    options = parser.parse_args()
    counts = collections.defaultdict(Counts)
    failures = []
    checked = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for name, model in networks(options.build, options.corpus, options.zoo, work):
            if options.only not in name:
                continue
            with tempfile.TemporaryDirectory(dir=work) as folder:
                found = check_network(options.build, name, model, pathlib.Path(folder), options.images, counts)
            for failure in found:
                print(failure, flush=True)
            failures += found
            checked += 1
            print(f"{name}: {'ok' if not found else 'FAILED'}", file=sys.stderr, flush=True)
    columns = ("files", "images", "codes", "ties", "images behind ties", "top-1 ties", "top-1 behind ties")
    print(f"{'form':<28}" + "".join(f"{c:>20}" for c in columns))
    for form, count in counts.items():
        print(f"{form:<28}" + "".join(f"{count[c]:>20}" for c in columns))
    print(f"{checked} networks, {len(failures)} failures")
    if options.json:
        options.json.write_text(json.dumps({"forms": counts, "failures": failures}, indent=1))
    return 1 if failures or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
