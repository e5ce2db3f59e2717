"""What every script here shares: images, writing a model with what is right for it, the manifest."""

import gzip
import json
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
EXPECTED = ROOT / "expected"
MANIFEST = ROOT / "manifest.json"
LIMIT = 200_000  # bytes a committed file may have

MICROSOFT = "com.microsoft"
CODES = {"tensor(uint8)", "tensor(int8)"}
NARROW = {"tensor(uint4)": "uint8", "tensor(int4)": "int8"}


def images(shape, count=2, seed=1, dtype="float32"):
    """Smooth blobs on a grid of 256 grey levels: uint8 codes, or floats in [0, 1]."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    row, column = np.mgrid[0:height, 0:width]
    out = np.zeros((count, channels, height, width))
    for image in out:
        for plane in image:
            for _ in range(3):
                y, x = rng.uniform(0, height), rng.uniform(0, width)
                size = rng.uniform(0.1, 0.3) * height
                plane += rng.uniform(0.3, 1) * np.exp(
                    -((row - y) ** 2 + (column - x) ** 2) / (2 * size**2))
    codes = np.clip(np.round(out * 255), 0, 255).astype(np.uint8)
    if dtype == "uint8":
        return codes
    return (codes.astype(np.float32) / np.float32(255)).astype(dtype)


def save_expected(name, tool, versions, input_name, inputs, tensors, output, notes="", extra=None):
    """tensors: {name: array}, without the input. The input comes first in the file."""
    blob = bytearray()
    table = []
    for key, value in {input_name: inputs, **tensors}.items():
        value = np.ascontiguousarray(value)
        table.append({"name": key, "dtype": str(value.dtype), "shape": list(value.shape),
                      "offset": len(blob)})
        blob += value.astype(value.dtype.newbyteorder("<")).tobytes()
    final = np.asarray(tensors[output]).reshape(len(inputs), -1)
    meta = {"tool": tool, "versions": versions,
            "input": {"name": input_name, "shape": list(inputs.shape), "dtype": str(inputs.dtype)},
            "output": output, "top1": [int(v) for v in final.argmax(1)], "notes": notes,
            **(extra or {}), "tensors": table}
    (EXPECTED / f"{name}.json").write_text(pretty(meta))
    (EXPECTED / f"{name}.bin").write_bytes(gzip.compress(bytes(blob), 9, mtime=0))


def pretty(value):
    """Lists of plain objects one a line, so that diffs stay readable."""
    if isinstance(value, list):
        return "[\n" + ",\n".join("  " + json.dumps(v) for v in value) + "\n]\n"
    lines = []
    for key, entry in value.items():
        if key == "tensors":
            body = "[\n" + ",\n".join("    " + json.dumps(v) for v in entry) + "\n  ]"
        else:
            body = json.dumps(entry)
        lines.append(f"  {json.dumps(key)}: {body}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


class Manifest:
    """The entries of one tool; those of other tools stay as they are."""

    def __init__(self, tool):
        self.tool = tool
        self.entries = []

    def add(self, name, file, features, refuse_word=None, **more):
        self.entries.append({"name": name, "file": file, "tool": self.tool, "features": features,
                             "expect": "refuse" if refuse_word else "ok",
                             "refuse_word": refuse_word or "", **more})

    def save(self):
        old = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else []
        kept = [e for e in old if e["tool"] != self.tool]
        fresh = sorted(kept + self.entries, key=lambda e: (e["tool"], e["name"]))
        names = {e["name"] for e in self.entries}
        for entry in old:
            if entry["tool"] == self.tool and entry["name"] not in names:
                for path in (MODELS / entry["file"], EXPECTED / f"{entry['name']}.json",
                             EXPECTED / f"{entry['name']}.bin"):
                    path.unlink(missing_ok=True)
        MANIFEST.write_text(pretty(fresh))
        total = 0
        for path in sorted(ROOT.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                size = path.stat().st_size
                total += size
                if size > LIMIT:
                    raise SystemExit(f"{path}: {size} bytes, more than {LIMIT}")
        print(f"{self.tool}: {len(self.entries)} models; {total} bytes in all")


def session(model_or_path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model_or_path, options, providers=["CPUExecutionProvider"])


def depends_on_input(graph):
    constants = {i.name for i in graph.initializer}
    moving = {i.name for i in graph.input} - constants
    for node in graph.node:
        if node.op_type != "Shape" and any(i in moving for i in node.input):
            moving.update(o for o in node.output if o)
    return moving


def quantized(graph):
    """What QONNX's quantizers make of the image's tensors, in the graph's order."""
    constant = {i.name for i in graph.initializer}
    names = []
    for node in graph.node:
        if all(i in constant for i in node.input):
            constant.update(node.output)
        elif node.op_type in ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold"):
            names.append(node.output[0])
    return names


def run_onnx(path, inputs, quant_ops=()):
    """Every tensor of codes that depends on the image, and the graph's outputs, as ONNX Runtime
    computes them with all graph optimizations off. Outputs of quant_ops count as codes too."""
    import onnx
    model = onnx.load(str(path))
    graph = model.graph
    moving = depends_on_input(graph)
    finals = [o.name for o in graph.output]
    names = [o for n in graph.node for o in n.output if o in moving and o not in finals]
    for name in names:
        graph.output.append(onnx.ValueInfoProto(name=name))
    types = {o.name: o.type for o in _session_of(model, path).get_outputs()}
    back = {}
    del graph.output[:]
    by_output = {o: n for n in graph.node for o in n.output}
    for name in [n for n in names if types[n] in CODES or types[n] in NARROW
                 or by_output[n].op_type in quant_ops] + finals:
        shown = name
        if types.get(name) in NARROW:
            shown = name + "__wide"
            to = getattr(onnx.TensorProto, NARROW[types[name]].upper())
            graph.node.append(onnx.helper.make_node("Cast", [name], [shown], to=to))
        graph.output.append(onnx.ValueInfoProto(name=shown))
        back[shown] = name
    run = _session_of(model, path)
    feed = run.get_inputs()[0]
    fixed = feed.shape[0] == 1
    batches = [inputs[i:i + 1] for i in range(len(inputs))] if fixed else [inputs]
    rows = [run.run(list(back), {feed.name: b}) for b in batches]
    tensors = {back[key]: np.concatenate([r[i] for r in rows]) for i, key in enumerate(back)}
    return feed.name, tensors, finals[0]


def _session_of(model, path):
    """A session of a changed model, from a file beside the original where weights are external."""
    external = any(t.data_location == 1 for t in model.graph.initializer)
    if not external:
        return session(model.SerializeToString())
    beside = pathlib.Path(path).parent / "changed.tmp"
    beside.write_bytes(model.SerializeToString())
    try:
        return session(str(beside))
    finally:
        beside.unlink()


def add_onnx(manifest, name, features, versions, inputs=None, notes="", refuse_word=None,
             path=None, quant_ops=(), shape=None, dtype="float32", **more):
    """Files models/NAME.onnx (already there) with what is right for it."""
    path = path or MODELS / f"{name}.onnx"
    file = str(path.relative_to(MODELS))
    if refuse_word:
        (EXPECTED / f"{name}.json").write_text(pretty(
            {"tool": manifest.tool, "versions": versions, "refuse": refuse_word, "notes": notes,
             "tensors": []}))
    else:
        if inputs is None:
            inputs = images(shape, dtype=dtype)
        input_name, tensors, output = run_onnx(path, inputs, quant_ops)
        save_expected(name, manifest.tool, versions, input_name, inputs, tensors, output, notes)
    manifest.add(name, file, features, refuse_word, **more)
