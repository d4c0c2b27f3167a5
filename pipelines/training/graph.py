"""The networks as ONNX graphs, written node by node: what the runtime loads is small enough
to be read, and quantisation finds every weight where it expects it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from base import HEADS, HIDDEN

OPSET = 17
EPSILON = 1e-12
HEAD_NODE = "head.product"

Weights = dict[str, np.ndarray]
"""Named as in encoder.Tagger; `words.weight` with the learnt line break in it."""

Scales = dict[str, np.ndarray]
"""For `layers.0.down` …: what each input channel of a matrix is divided by before quantisation, and
its weights multiplied with: outliers move from the activations, which have one scale for all
channels, into the weights, which have one per row."""

Channels = dict[str, np.ndarray]
"""For `layers.0.down` …: input channels that are multiplied in float32, beside the 8-bit product (Dettmers
et al. 2022, LLM.int8): a few hold values so large that nothing would be left of the others in 8 bits."""

APART = "apart"


class Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def norm(self, x: str, name: str, weights: Weights) -> str:
        gain = self.constant(f"{name}.gain", weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", weights[f"{name}.bias"])
        return self.node("LayerNormalization", [x, gain, bias], name, axis=-1, epsilon=EPSILON)

    def linear(self, x: str, name: str, weights: Weights, scales: Scales, apart: Channels) -> str:
        matrix = weights[f"{name}.weight"].T.astype(np.float32)
        loud = apart.get(name)
        extra = None
        if loud is not None:
            picked = self.node("Gather", [x, self.constant(f"{name}.loud", loud.astype(np.int64))], f"{name}.picked", axis=-1)
            extra = self.node("MatMul", [picked, self.constant(f"{name}.loud.matrix", matrix[loud])], f"{name}.{APART}")
            matrix = matrix.copy()
            matrix[loud] = 0
        if name in scales or loud is not None:
            scale = scales.get(name, np.ones(len(matrix))).astype(np.float32)
            matrix = matrix * scale[:, None]
            divisor = 1 / scale
            if loud is not None:
                divisor[loud] = 0
            x = self.node("Mul", [x, self.constant(f"{name}.divisor", divisor)], f"{name}.smoothed")
        product = self.node("MatMul", [x, self.constant(f"{name}.matrix", matrix)], f"{name}.product")
        if extra is not None:
            product = self.node("Add", [product, extra], f"{name}.sum")
        return self.node("Add", [product, self.constant(f"{name}.bias", weights[f"{name}.bias"])], name)


def build(
    weights: Weights,
    depth: int,
    scales: Scales | None = None,
    int8_words: bool = False,
    apart: Channels | None = None,
) -> onnx.ModelProto:
    """input_ids, attention_mask (int64, batch × tokens) → `logits` (float32, batch × tokens × classes), or,
    of weights without a head, `sentence_embedding` (float32, batch × hidden, not normalised)."""
    scales, apart = scales or {}, apart or {}
    g = Graph()
    half = g.constant("half", np.array(0.5, np.float32))
    one = g.constant("one", np.array(1.0, np.float32))
    root = g.constant("root_of_two", np.array(np.sqrt(2), np.float32))
    attention_scale = g.constant("attention_scale", np.array((HIDDEN // HEADS) ** -0.5, np.float32))
    heads = g.constant("heads", np.array([0, 0, HEADS, HIDDEN // HEADS], np.int64))
    flat = g.constant("flat", np.array([0, 0, HIDDEN], np.int64))
    thirds = g.constant("thirds", np.array([HIDDEN] * 3, np.int64))

    words = _words(g, weights["words.weight"], int8_words)
    g.constant("positions", weights["positions"])
    zero, first = g.constant("zero", np.array([0], np.int64)), g.constant("first", np.array([1], np.int64))
    shape = g.node("Shape", ["input_ids"], "shape")
    length = g.node("Gather", [shape, first], "length", axis=0)
    position = g.node("Slice", ["positions", zero, length, zero], "position")
    x = g.norm(g.node("Add", [words, position], "embedded"), "norm", weights)

    mask = g.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    absent = g.node("Sub", [one, mask], "absent")
    penalty = g.node("Mul", [absent, g.constant("forbidden", np.array(-10000.0, np.float32))], "penalty")
    penalty = g.node("Unsqueeze", [penalty, g.constant("middle", np.array([1, 2], np.int64))], "penalties")

    for number in range(depth):
        p = f"layers.{number}."
        qkv = g.linear(x, p + "qkv", weights, scales, apart)
        parts = [p + "q.flat", p + "k.flat", p + "v.flat"]
        g.nodes.append(helper.make_node("Split", [qkv, thirds], parts, name=p + "split", axis=-1))
        for part, order in zip("qkv", ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True):
            split = g.node("Reshape", [p + part + ".flat", heads], p + part + ".split")
            g.node("Transpose", [split], p + part, perm=order)
        scores = g.node("MatMul", [p + "q", p + "k"], p + "scores")
        scores = g.node("Mul", [scores, attention_scale], p + "scaled")
        scores = g.node("Add", [scores, penalty], p + "masked")
        shares = g.node("Softmax", [scores], p + "shares", axis=-1)
        context = g.node("MatMul", [shares, p + "v"], p + "context.split")
        context = g.node("Transpose", [context], p + "context.turned", perm=[0, 2, 1, 3])
        context = g.node("Reshape", [context, flat], p + "context")
        attended = g.linear(context, p + "output", weights, scales, apart)
        x = g.norm(g.node("Add", [attended, x], p + "attended"), p + "attention_norm", weights)
        up = g.linear(x, p + "up", weights, scales, apart)
        error = g.node("Erf", [g.node("Div", [up, root], p + "gelu.0")], p + "gelu.1")
        gate = g.node("Mul", [up, g.node("Add", [error, one], p + "gelu.2")], p + "gelu.3")
        fed = g.linear(g.node("Mul", [gate, half], p + "gelu"), p + "down", weights, scales, apart)
        x = g.norm(g.node("Add", [fed, x], p + "fed"), p + "output_norm", weights)

    output = _logits(g, x, weights) if "head.weight" in weights else _mean(g, x, mask)
    integers = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("input_ids", "attention_mask")]
    graph = helper.make_graph(g.nodes, "musubi", integers, [output], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def _logits(g: Graph, x: str, weights: Weights) -> onnx.ValueInfoProto:
    g.constant("head.matrix", weights["head.weight"].T.astype(np.float32))
    g.constant("head.bias", weights["head.bias"])
    g.node("MatMul", [x, "head.matrix"], HEAD_NODE)
    g.node("Add", [HEAD_NODE, "head.bias"], "logits")
    return helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "s", len(weights["head.bias"])])


def _mean(g: Graph, x: str, mask: str) -> onnx.ValueInfoProto:
    """Of the tokens that are there."""
    last, tokens = g.constant("last", np.array([2], np.int64)), g.constant("tokens", np.array([1], np.int64))
    weight = g.node("Unsqueeze", [mask, last], "weight")
    total = g.node("ReduceSum", [g.node("Mul", [x, weight], "weighted"), tokens], "total", keepdims=0)
    count = g.node("ReduceSum", [weight, tokens], "count", keepdims=0)
    g.node("Div", [total, count], "sentence_embedding")
    return helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["b", HIDDEN])


def _words(g: Graph, table: np.ndarray, int8: bool) -> str:
    if not int8:
        return g.node("Gather", [g.constant("words", table), "input_ids"], "words.row")
    scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-8) / 127
    g.constant("words", np.clip(np.round(table / scale), -127, 127).astype(np.int8))
    g.constant("words.scale", scale.astype(np.float32))
    row = g.node("Gather", ["words", "input_ids"], "words.int8")
    row = g.node("Cast", [row], "words.float", to=TensorProto.FLOAT)
    return g.node("Mul", [row, g.node("Gather", ["words.scale", "input_ids"], "words.scales")], "words.row")


def quantise(source: Path, target: Path, unsigned: bool = False, reduced: bool = False) -> None:
    """Weights of all matrices but the head's to 8 bits, one scale per output; activations are scaled at
    run time. `unsigned` weights give the same numbers on processors with and without VNNI (the AVX2
    kernel for signed ones saturates at 16 bits); `reduced` keeps to 7 bits, which does so too."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)  # its advice to run shape inference first does not apply here
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=reduced,
        weight_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
        nodes_to_exclude=[HEAD_NODE, *(n.name for n in onnx.load(source).graph.node if n.name.endswith(f".{APART}"))],
        extra_options={"MatMulConstBOnly": True},
    )
    logging.disable(logging.NOTSET)
