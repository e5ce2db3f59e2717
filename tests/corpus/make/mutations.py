"""Every attribute and every constant input of every operator that import accepts, changed in turn,
with what the runtime then computes. Import must compute the same or refuse the file: nothing may
be ignored. Scales are powers of two, so that float32 is exact in the runtime too."""

import copy
import gzip
import importlib.metadata
import json
import multiprocessing

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

import common
from mutation_bases import IMAGES, QONNX, bases

VERSIONS = {p: importlib.metadata.version(p) for p in ("onnx", "onnxruntime", "qonnx", "numpy")}
ort.set_default_logger_severity(4)

STRINGS = {"auto_pad": ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "ELSE"],
           "mode": ["constant", "edge", "reflect"], "approximate": ["none", "tanh", "else"],
           "rounding_mode": ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "HALF_EVEN",
                             "ELSE"],
           "data_layout": ["", "NCHW", "NHWC"], "out_dtype": ["UINT2", "INT4"]}
MORE = {"MultiThreshold": {"data_layout": "", "out_scale": .5, "out_bias": 0.0},
        "QLinearAveragePool": {"auto_pad": "NOTSET"}}


def attributes_of(node, opset):
    """Name -> value, also of those that the node leaves to their default."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.domain == "":
        for name, spec in onnx.defs.get_schema(node.op_type, opset).attributes.items():
            if name in values:
                continue
            default = {onnx.defs.OpSchema.AttrType.INT: 0, onnx.defs.OpSchema.AttrType.FLOAT: 0.5,
                       onnx.defs.OpSchema.AttrType.INTS: [1, 1],
                       onnx.defs.OpSchema.AttrType.STRING: "else"}.get(spec.type)
            if default is not None:
                values[name] = default
    return {**MORE.get(node.op_type, {}), **values, "made_up": 0}


def changes(name, value):
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return STRINGS.get(name, ["else"])
    if isinstance(value, float):
        return [0.0, .5, 2.0, -1.0]
    if isinstance(value, int):
        return [0, 1, 2, 3, -1, 7]
    value = list(value)
    found = [[v + 1 for v in value], value[::-1], value[:-1], [0] * len(value), [*value, 1]]
    for i in range(len(value)):
        found.append([v + (i == j) for j, v in enumerate(value)])
    if name == "pads":
        found += [[0, 0, 0, 0], [1, 1, 1, 1]]
    if name == "perm":
        found += [[0, 3, 1, 2], [0, 2, 1, 3], [0, 3, 2, 1], [1, 0, 2, 3]]
    return found


def array_changes(a):
    """Other values, shapes and types of a constant."""
    flat = a.reshape(-1)
    if a.dtype == np.bool_:
        yield "not", ~a
        return
    first = flat.copy()
    if a.size:
        first[0] = first[0] + 1 if a.dtype.kind != "f" else first[0] * 2 + (first[0] == 0)
        yield "first", first.reshape(a.shape)
    yield "all", (a + 1 if a.dtype.kind != "f" else a * 2).astype(a.dtype)
    yield "less", (a - 1 if a.dtype.kind == "i" else a / 2).astype(a.dtype)
    if a.dtype.kind == "f":
        yield "negative", -a
        yield "zero", np.zeros_like(a)
        yield "NaN", np.full_like(a, np.nan)
        yield "third", (a / 3).astype(a.dtype)
        yield "double", a.astype(np.float64)
    yield "rank", a[None]
    if a.ndim > 0:
        yield "flat", flat
        yield "reversed", a[::-1].copy()
        yield "less one", a[:-1]
        yield "column", a.reshape(*a.shape, 1)
    else:
        yield "vector", np.repeat(flat, 2)
        yield "channels", np.array([[[flat[0]]], [[flat[0]]]], a.dtype)
    if a.ndim > 1:
        yield "transposed", np.swapaxes(a, -1, -2).copy()
    other = {"int8": np.uint8, "uint8": np.int8, "int64": np.int32, "int32": np.int64}.get(str(a.dtype))
    if other is not None:
        yield "type", a.astype(other)


def mutants(model, subjects, opset):
    for node in model.graph.node:
        if node.name not in subjects:
            continue
        for name, value in attributes_of(node, opset).items():
            for change in changes(name, value):
                other = copy.deepcopy(model)
                target = next(n for n in other.graph.node if n.name == node.name)
                kept = [a for a in target.attribute if a.name != name]
                del target.attribute[:]
                target.attribute.extend([*kept, helper.make_attribute(name, change, **(
                    {"attr_type": onnx.AttributeProto.INTS} if change == [] else {}))])
                yield f"{node.op_type} {name} = {change}", other
            if any(a.name == name for a in node.attribute):
                other = copy.deepcopy(model)
                target = next(n for n in other.graph.node if n.name == node.name)
                kept = [a for a in target.attribute if a.name != name]
                del target.attribute[:]
                target.attribute.extend(kept)
                yield f"{node.op_type} without {name}", other
        for index, name in enumerate(node.input):
            at = next((i for i, t in enumerate(model.graph.initializer) if t.name == name), None)
            other = copy.deepcopy(model)
            next(n for n in other.graph.node if n.name == node.name).input[index] = ""
            yield f"{node.op_type} without input {index}", other
            if at is None:
                continue
            for what, array in array_changes(numpy_helper.to_array(model.graph.initializer[at])):
                other = copy.deepcopy(model)
                other.graph.initializer.append(numpy_helper.from_array(np.asarray(array), "changed"))
                next(n for n in other.graph.node if n.name == node.name).input[index] = "changed"
                yield f"{node.op_type} input {index}: {what}", other
                other = copy.deepcopy(other)  # where other nodes read it as well
                for n in other.graph.node:
                    n.input[:] = ["changed" if i == name else i for i in n.input]
                yield f"{node.op_type} input {index}: {what}, in all readers", other


def answers(model):
    """What the runtime makes of the images, or None where it refuses the file."""
    try:
        if any(n.domain == QONNX for n in model.graph.node):
            fixed = copy.deepcopy(model)
            fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
            runs = cleanup_model(ModelWrapper(fixed))
            source, target = runs.graph.input[0].name, runs.graph.output[0].name
            out = np.concatenate([execute_onnx(runs, {source: i[None]})[target] for i in IMAGES])
        else:
            run = common.session(model.SerializeToString())
            out = np.concatenate([run.run(None, {"image": i[None]})[0] for i in IMAGES])
    except Exception:
        return None
    return rounded(out)


def rounded(out):
    return [round(float(v), 9) if np.isfinite(v) else None
            for v in np.asarray(out, np.float64).reshape(-1)]


EVALUATED_OPSET = 21  # the evaluator's DequantizeLinear is of opset 19 and later


def defined(model):
    """What ONNX's own evaluator makes of the images where the runtime only lacks a kernel: ONNX lets
    a product's operands and result be of int8 and uint8 in any mixture, the runtime has some. None
    where the file is not valid ONNX."""
    try:
        shaped = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(shaped, full_check=True)
        run = ReferenceEvaluator(version_converter.convert_version(shaped, EVALUATED_OPSET))
        return rounded(np.concatenate([run.run(None, {"image": i[None]})[0] for i in IMAGES]))
    except Exception:
        return None


def is_mixture(base, change):
    return base in ("QLinearConv", "QLinearMatMul") and change.endswith(": type, in all readers")


def work(pipe):
    while True:
        pipe.send(answers(onnx.load_from_string(pipe.recv())))


class Runtime:
    """The runtime in a process of its own: some changes crash it."""

    def __init__(self):
        self.process = None

    def answers(self, data):
        if self.process is None:
            self.pipe, other = multiprocessing.Pipe()
            self.process = multiprocessing.Process(target=work, args=(other,), daemon=True)
            self.process.start()
            other.close()
        self.pipe.send(data)
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process = None
            return None


def main():
    runtime = Runtime()
    cases, models, seen = [], bytearray(), set()
    for base, (graph, out) in bases():
        model = graph.model(out)
        for what, mutant in [("base", model), *mutants(model, graph.subjects, graph.opset)]:
            data = mutant.SerializeToString()
            if data in seen:
                continue
            seen.add(data)
            right = runtime.answers(data)
            if right is None and is_mixture(base, what):
                right = defined(mutant)
            cases.append({"base": base, "change": what, "offset": len(models), "bytes": len(data),
                          "answers": right})
            models += data
    images = {"shape": list(IMAGES.shape), "values": [float(v) for v in IMAGES.reshape(-1)]}
    text = json.dumps({"images": images, "versions": VERSIONS, "cases": cases})
    folder = common.ROOT / "mutations"
    folder.mkdir(exist_ok=True)
    (folder / "cases.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    (folder / "models.gz").write_bytes(gzip.compress(bytes(models), 9, mtime=0))
    bad = [c["base"] for c in cases if c["change"] == "base" and c["answers"] is None]
    print(len(cases), "cases,", sum(c["answers"] is None for c in cases), "refused by the runtime;",
          "bases that it refuses:", bad)


if __name__ == "__main__":
    main()
