"""8-bit files: outliers move from the activations into the weights or stay in float32, the rest goes
through ONNX Runtime's dynamic quantisation (graph.quantise)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch

import encoder
from graph import Channels, Scales, Weights, build, quantise

# The share of an outlier that moves into the weights.
SMOOTHING = {"qkv": 0.5, "output": 0.5, "up": 0.5, "down": 0.5}
# Input channels multiplied in float32, those with the largest products. The input of `down` (after GELU)
# needs it most.
APART = {"qkv": 16, "up": 16, "down": 64}


def weights_of(model: encoder.Trunk) -> Weights:
    weights = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    if isinstance(model, encoder.Tagger):
        weights["words.weight"] = model.word_table()
    return weights


def largest_inputs(model: encoder.Trunk, texts: list[list[int]]) -> dict[str, np.ndarray]:
    """The largest absolute value of every input channel of every matrix on the calibration texts."""
    largest: dict[str, np.ndarray] = {}

    def watch(name: str):
        def hook(_module, inputs) -> None:
            values = inputs[0].abs().reshape(-1, inputs[0].shape[-1]).amax(0).numpy()
            largest[name] = np.maximum(largest.get(name, 0), values)

        return hook

    hooks = [
        getattr(layer, part).register_forward_pre_hook(watch(f"layers.{number}.{part}"))
        for number, layer in enumerate(model.layers)
        for part in SMOOTHING
    ]
    with torch.inference_mode():
        for ids in texts:
            model.encode(model.embed(torch.tensor([ids])), None)
    for hook in hooks:
        hook.remove()
    return largest


def loudest(weights: Weights, largest: dict[str, np.ndarray]) -> Channels:
    """The channels that would take most of the 8 bits from the others."""
    out = {}
    for name, activation in largest.items():
        if count := APART.get(name.rsplit(".", 1)[1]):
            products = activation * np.abs(weights[f"{name}.weight"]).max(0)
            out[name] = np.sort(np.argsort(-products)[:count])
    return out


def smoothing(weights: Weights, largest: dict[str, np.ndarray]) -> Scales:
    """Per input channel: (largest activation)^a / (largest weight)^(1-a), geometric mean 1."""
    scales = {}
    for name, activation in largest.items():
        share = SMOOTHING[name.rsplit(".", 1)[1]]
        weight = np.abs(weights[f"{name}.weight"]).max(0)
        scale = np.maximum(activation, 1e-4) ** share / np.maximum(weight, 1e-5) ** (1 - share)
        scales[name] = (scale / np.exp(np.log(scale).mean())).astype(np.float32)
    return scales


def fold_into_values(weights: Weights, scales: Scales, depth: int) -> tuple[Weights, Scales]:
    """The input of `output` is a mean of value vectors: its divisor goes into their matrix, where it
    costs nothing."""
    weights, scales = dict(weights), dict(scales)
    for number in range(depth):
        scale = scales.pop(f"layers.{number}.output", None)
        if scale is None:
            continue
        size = len(scale)
        for part in ("weight", "bias"):
            name = f"layers.{number}.qkv.{part}"
            value = weights[name].copy()
            value[2 * size :] /= scale[:, None] if part == "weight" else scale
            weights[name] = value
        name = f"layers.{number}.output.weight"
        weights[name] = weights[name] * scale[None, :]
    return weights, scales


def write(
    model: encoder.Trunk,
    texts: list[list[int]],
    target: Path,
    kind: str,
    compare: Callable[[Path, str], dict],
) -> dict[str, dict]:
    """Writes `target`; `kind` of its weights is signed, reduced or unsigned. `compare` is asked about the
    float32 graph and about the 8-bit one."""
    weights = weights_of(model)
    largest = largest_inputs(model, texts)
    apart = loudest(weights, largest)
    for name, channels in apart.items():
        largest[name][channels] = np.median(largest[name])
    smoothed, scales = fold_into_values(weights, smoothing(weights, largest), model.depth)
    with tempfile.TemporaryDirectory() as scratch:
        plain, ready = Path(scratch) / "float32.onnx", Path(scratch) / "ready.onnx"
        onnx.save(build(weights, model.depth), plain)
        onnx.save(build(smoothed, model.depth, scales, True, apart), ready)
        quantise(ready, target, kind == "unsigned", kind == "reduced")
        results = {"float32": compare(plain, "float32"), "int8": compare(target, f"int8 {kind}")}
    if results["float32"]["largest"] > 0.01:
        raise SystemExit("the float32 graph differs from the torch model")
    return results
