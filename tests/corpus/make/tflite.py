"""Models that the TensorFlow Lite converter makes: int8, uint8 at the ends, and what is refused."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import common

VERSIONS = {"tensorflow": tf.__version__, "keras": keras.__version__}
L = keras.layers
INT8 = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
X8 = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]


def plain():
    i = x = keras.Input((28, 28, 1))
    x = L.Conv2D(6, 5, 2, "same", activation="relu")(x)
    x = L.MaxPooling2D(2)(x)
    x = L.Conv2D(12, 3, activation="relu")(x)
    x = L.AveragePooling2D(2, padding="same")(x)
    x = L.Dense(16, activation="relu")(L.Flatten()(x))
    return keras.Model(i, L.Dense(10)(x))


def mobile():
    i = x = keras.Input((16, 16, 3))
    x = L.ReLU(6)(L.BatchNormalization()(L.Conv2D(8, 3, 2, "same", use_bias=False)(x)))
    x = L.ReLU(6)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(x)))
    y = L.BatchNormalization()(L.Conv2D(8, 1)(x))
    x = L.Add()([x, y])
    x = L.ReLU(6)(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x))
    x = L.ZeroPadding2D(((0, 1), (1, 0)))(x)
    x = L.ReLU()(L.Conv2D(8, 3, 2)(x))
    return keras.Model(i, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


def branches():
    i = x = keras.Input((16, 16, 3))
    x = L.Conv2D(6, 3, 2, "same", activation="relu")(x)
    a = L.Conv2D(4, 1, activation="relu")(x)
    b = L.Conv2D(4, (3, 1), padding="same", dilation_rate=1, activation="relu")(x)
    c = L.AveragePooling2D(3, 1, "same")(x)
    d = L.MaxPooling2D((2, 3), 1, "same")(x)
    x = L.Concatenate()([a, b, c, d])
    x = L.Conv2D(8, 3, dilation_rate=2, activation="relu")(x)
    x = L.Conv2D(8, 3, groups=2)(x)
    return keras.Model(i, L.Softmax()(L.Dense(10)(L.Reshape((32,))(x))))


def activations():
    i = x = keras.Input((16, 16, 3))
    x = L.LeakyReLU(negative_slope=0.1)(L.Conv2D(8, 3, 2, "same")(x))
    x = L.Activation("hard_swish")(L.Conv2D(8, 1)(x))
    x = L.Activation("sigmoid")(L.Conv2D(8, 1)(x))
    x = L.Activation("tanh")(L.Conv2D(8, 1)(x))
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.Conv2D(8, 1, activation="sigmoid")(L.Conv2D(4, 1, activation="relu")(s))
    x = L.Multiply()([x, s])
    x = L.Permute((2, 1, 3))(x)
    return keras.Model(i, L.Dense(10)(L.Flatten()(x)))


def convert(model, ops=None, ends=None, calibrate=True, optimize=True, batch=1, per_channel=True):
    rng = np.random.default_rng(5)
    for v in model.weights:  # spreads that differ by channel; statistics that are not 0 and 1
        shape = v.shape
        if len(shape) > 1:
            fan = np.prod(shape[:-1]) if "depthwise" not in v.path else np.prod(shape[:2])
            v.assign(rng.normal(0, 1.3 / np.sqrt(fan), shape) * rng.uniform(.4, 1.6, shape[-1]))
        elif "variance" in v.path or "gamma" in v.path:
            v.assign(rng.uniform(.5, 1.5, shape))
        else:
            v.assign(rng.normal(0, .1, shape))
    shape = model.inputs[0].shape[1:]
    call = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        tf.TensorSpec([batch, *shape], tf.float32, name="image"))
    call = convert_variables_to_constants_v2(call)
    c = tf.lite.TFLiteConverter.from_concrete_functions([call])
    if optimize:
        c.optimizations = [tf.lite.Optimize.DEFAULT]
    if calibrate:
        chw = (shape[2], shape[0], shape[1])
        rows = common.images(chw, 16, seed=99).transpose(0, 2, 3, 1)
        c.representative_dataset = lambda: ([row[None]] for row in rows)
    if ops:
        c.target_spec.supported_ops = ops
    if ends:
        c.inference_input_type = c.inference_output_type = ends
    c._experimental_disable_per_channel = not per_channel
    return c.convert()


def run(data, images):
    """Every integer tensor that an operator writes, by the reference kernels."""
    it = tf.lite.Interpreter(
        model_content=data, experimental_preserve_all_tensors=True, num_threads=1,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
    it.resize_tensor_input(it.get_input_details()[0]["index"], [1, *images.shape[1:]])
    it.allocate_tensors()
    source, target = it.get_input_details()[0], it.get_output_details()[0]
    details = {t["index"]: t for t in it.get_tensor_details()}
    written = [o for op in it._get_ops_details() for o in op["outputs"]]
    keep = [o for o in written if details[o]["dtype"] in (np.int8, np.uint8)
            and o != target["index"]]
    if images.dtype == source["dtype"]:
        pass
    elif source["dtype"] == np.int8:
        images = (np.round(images * 255) - 128).astype(np.int8)
    elif source["dtype"] == np.uint8:
        images = np.round(images * 255).astype(np.uint8)
    rows = []
    for image in images:
        it.set_tensor(source["index"], image[None])
        it.invoke()
        rows.append([it.get_tensor(o).copy() for o in keep + [target["index"]]])
    tensors = {}
    for k, index in enumerate(keep + [target["index"]]):
        name = details[index]["name"]
        name = f"{name}#{index}" if name in tensors or name == source["name"] else name
        tensors[name] = np.concatenate([r[k] for r in rows])
    quant = {n: d for n, d in (("input", source["quantization"]), ("answer", target["quantization"]))}
    return source["name"], images, tensors, name, {
        k: {"scale": float(v[0]), "zero_point": int(v[1])} for k, v in quant.items()}


def main():
    m = common.Manifest("TensorFlow Lite converter")

    def add(name, model, features, refuse_word=None, notes="", **options):
        shape = model.inputs[0].shape[1:]
        data = convert(model, **options)
        (common.MODELS / f"{name}.tflite").write_bytes(data)
        if refuse_word:
            (common.EXPECTED / f"{name}.json").write_text(common.pretty(
                {"tool": m.tool, "versions": VERSIONS, "refuse": refuse_word, "notes": notes,
                 "tensors": []}))
        else:
            images = common.images((shape[2], shape[0], shape[1])).transpose(0, 2, 3, 1)
            source, images, tensors, answer, quant = run(data, images)
            common.save_expected(name, m.tool, VERSIONS, source, images, tensors, answer,
                                 notes or "images are height, width, channel", {"quant": quant})
        m.add(name, f"{name}.tflite", features, refuse_word)

    lenet = ["CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "FULLY_CONNECTED", "SAME and VALID"]
    i8, u8 = tf.int8, tf.uint8
    add("tflite_plain_int8", plain(), [*lenet, "int8 ends"], ops=INT8, ends=i8)
    add("tflite_plain_uint8", plain(), [*lenet, "uint8 ends", "QUANTIZE"], ops=INT8, ends=u8)
    add("tflite_plain_float_ends", plain(), [*lenet, "float ends", "QUANTIZE", "DEQUANTIZE"],
        ops=INT8)
    add("tflite_plain_per_tensor", plain(), [*lenet, "per-tensor weights"], ops=INT8, ends=i8,
        per_channel=False)
    add("tflite_plain_batch", plain(), [*lenet, "dynamic batch"], ops=INT8, ends=i8, batch=None)
    add("tflite_mobile_int8", mobile(),
        ["DEPTHWISE_CONV_2D", "depth multiplier 2", "ReLU6", "ADD", "PAD", "MEAN",
         "BatchNormalization folded"], ops=INT8, ends=i8)
    add("tflite_branches_uint8", branches(),
        ["CONCATENATION", "RESHAPE", "SOFTMAX", "dilated", "grouped", "AVERAGE_POOL_2D SAME",
         "window not square"], ops=INT8, ends=u8)
    add("tflite_activations_int8", activations(),
        ["LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "MUL", "TRANSPOSE",
         "squeeze and excite"], ops=INT8, ends=i8)
    add("tflite_int16x8", plain(), [*lenet, "int16 activations"], "int16", ops=X8)
    add("tflite_dynamic_range", plain(), ["weights int8, activations float"], "float",
        calibrate=False, notes="weights of more than 1024 elements are int8, the rest is float")
    add("tflite_float", plain(), [*lenet, "float"], "float", calibrate=False, optimize=False,
        notes="not quantized at all")
    m.save()


if __name__ == "__main__":
    main()
