"""Which ops of an int8 TFLite model run on an Edge TPU, and why the others don't.

The Edge TPU takes one subgraph, from the model's inputs to the first op that doesn't map; that op
and everything after it run on the CPU. Its compiler says so only after minutes and in one phrase
for many causes, so its rules are checked first [1]. They are necessary, not sufficient: the
compiler may still leave out a large reshape or resize.

References:
    [1] Coral, "TensorFlow models on the Edge TPU", model requirements and supported operations
        (compiler 16, runtime 14).
"""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set

import numpy as np

from evaluators.engines.tflite.graph import Op, Tensor

_ELEMENTWISE = frozenset(
    "LOGISTIC RELU RELU6 RELU_N1_TO_1 TANH ADD MAXIMUM "  # noqa: SIM905 -- a list is long
    "MINIMUM MUL SUB RSQRT "
    "SQUARED_DIFFERENCE QUANTIZE".split()
)
_CONVOLUTIONS = frozenset(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"])
_MAPPED = (
    _ELEMENTWISE
    | _CONVOLUTIONS
    | frozenset(
        "AVERAGE_POOL_2D MAX_POOL_2D CONCATENATION "  # noqa: SIM905 -- a list is long
        "L2_NORMALIZATION MEAN PAD RESHAPE "
        "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQUEEZE "
        "STRIDED_SLICE EXPAND_DIMS PACK PRELU SUM REDUCE_MAX REDUCE_MIN TRANSPOSE "
        "UNIDIRECTIONAL_SEQUENCE_LSTM".split()
    )
)
# The compiler reads TFLite of its own time, and refuses a file whose op says it is newer.
_LAST_VERSION = {"CONV_2D": 5, "TRANSPOSE_CONV": 3, "QUANTIZE": 2}
_REPLACEMENTS = {
    "LEAKY_RELU": "nn.ReLU",
    "ELU": "nn.ReLU",
    "GELU": "nn.ReLU",
    "HARD_SWISH": "nn.ReLU6",
}
_SOFTMAX_LIMIT = 16000
_MAPPED_RANK = 3


class Unmapped(NamedTuple):
    """An op that doesn't map, and the rule it breaks."""

    op: Op
    reason: str


def unmapped_ops(ops: Sequence[Op]) -> List[Unmapped]:
    """Return every op that breaks a rule, in the order in which they run."""
    reasons = ((op, _reason(op)) for op in ops)
    return [Unmapped(op, reason) for op, reason in reasons if reason is not None]


def count_cpu_ops(ops: Sequence[Op], unmapped: Sequence[Unmapped]) -> int:
    """Return how many ops run on the CPU: the first unmapped one, and all after it."""
    if not unmapped:
        return 0
    return len(ops) - next(i for i, op in enumerate(ops) if op is unmapped[0].op)


def refusal_of(ops: Sequence[Op], max_cpu_ops: int) -> Optional[str]:
    """Return why a model is refused when ``max_cpu_ops`` may run on the CPU, or None."""
    unmapped = unmapped_ops(ops)
    cpu_ops = count_cpu_ops(ops, unmapped)
    if cpu_ops <= max_cpu_ops:
        return None
    # A quantize or dequantize stands where an island of float begins; name the island itself.
    culprits = [u for u in unmapped if u.op.kind not in ("QUANTIZE", "DEQUANTIZE")] or unmapped
    named = "; ".join("{}: {}".format(u.op, u.reason) for u in culprits[:3])
    others = " (and {} more)".format(len(culprits) - 3) if len(culprits) > 3 else ""
    return (
        "int8 on edgetpu: every op must map to the Edge TPU, but {}{}; {} of {} ops would run on "
        "the CPU. {}, or allow it with edgetpu.max_cpu_ops: {}."
    ).format(named, others, cpu_ops, len(ops), _remedy(culprits[0].op), cpu_ops)


def _remedy(op: Op) -> str:
    if op.kind in _REPLACEMENTS:
        return "Use {} instead".format(_REPLACEMENTS[op.kind])
    return "Change '{}' in the model".format(op.label)


def _reason(op: Op) -> Optional[str]:
    if op.kind not in _MAPPED:
        return "not an Edge TPU op"
    general = _type_reason(op) or _shape_reason(op) or _version_reason(op)
    rule = _RULES.get(op.kind)
    return general or (rule(op) if rule else None)


def _type_reason(op: Op) -> Optional[str]:
    for tensor in op.activations():
        if tensor.type not in ("INT8", "UINT8"):
            return "works on {}, and the Edge TPU only on 8-bit integers".format(tensor.type)
    return None


def _shape_reason(op: Op) -> Optional[str]:
    for tensor in op.activations():
        if not tensor.is_static:
            return "shape is dynamic"
        outer = tensor.shape[:-_MAPPED_RANK]
        if any(size > 1 for size in outer):
            return "shape {} has more than its three innermost dimensions above 1{}".format(
                tensor.shape, " (batch size must be 1)" if len(outer) == 1 else ""
            )
    return None


def _version_reason(op: Op) -> Optional[str]:
    last = _LAST_VERSION.get(op.kind)
    if last is None or op.version <= last:
        return None
    cause = ", a grouped convolution" if op.kind == "CONV_2D" else ""
    return "version {} of the op{}, and the compiler knows {}".format(op.version, cause, last)


def _convolution_rule(op: Op) -> Optional[str]:
    parameters = op.inputs[1:3]  # filter and bias; TRANSPOSE_CONV has its shape first
    if op.kind == "TRANSPOSE_CONV":
        parameters = [op.inputs[1], *op.inputs[3:4]]
    if any(tensor is not None and tensor.constant is None for tensor in parameters):
        return "filter or bias isn't constant at compile time"
    return None


def _conv_2d_rule(op: Op) -> Optional[str]:
    if op.options.dilationWFactor != op.options.dilationHFactor:
        return "dilation must be the same in x and y"
    return _convolution_rule(op)


def _depthwise_rule(op: Op) -> Optional[str]:
    if max(op.options.dilationWFactor, op.options.dilationHFactor) > 1:
        return "a dilated depthwise convolution"
    return _convolution_rule(op)


def _fully_connected_rule(op: Op) -> Optional[str]:
    if _rows(op.outputs[0]) > 1:
        return "output {} must be one-dimensional".format(op.outputs[0].shape)
    return _convolution_rule(op)


def _no_activation_rule(op: Op) -> Optional[str]:
    return "has a fused activation" if op.options.fusedActivationFunction else None


def _concatenation_rule(op: Op) -> Optional[str]:
    constants = [t.constant for t in op.inputs if t is not None and t.constant is not None]
    if constants and (len(op.inputs) != 2 or np.any(constants[0])):
        return "one input is constant and not the zeros of a padding"
    return _no_activation_rule(op)


def _softmax_rule(op: Op) -> Optional[str]:
    shape = op.outputs[0].shape
    if _rows(op.outputs[0]) > 1 or shape[-1] > _SOFTMAX_LIMIT:
        return "shape {} must be one-dimensional, with at most {} elements".format(
            shape, _SOFTMAX_LIMIT
        )
    return None


def _mean_rule(op: Op) -> Optional[str]:
    beyond = _axes(op.inputs[1], op) - _plane(op)
    return "may average over x and y only, not over axis {}".format(min(beyond)) if beyond else None


def _pad_rule(op: Op) -> Optional[str]:
    amounts = op.inputs[1].constant if op.inputs[1] is not None else None
    if amounts is None:
        return "padding isn't constant at compile time"
    beyond = set(np.flatnonzero(amounts.any(axis=1)).tolist()) - _plane(op)
    return "may pad x and y only, not axis {}".format(min(beyond)) if beyond else None


def _reduction_rule(op: Op) -> Optional[str]:
    rank = len(_first(op).shape)
    return "reduces the batch" if rank > _MAPPED_RANK and 0 in _axes(op.inputs[1], op) else None


def _split_rule(op: Op) -> Optional[str]:
    rank = len(op.outputs[0].shape)
    return "splits the batch" if rank > _MAPPED_RANK and 0 in _axes(op.inputs[0], op) else None


def _squeeze_rule(op: Op) -> Optional[str]:
    shape = _first(op).shape
    inner = shape[len(shape) - len(op.outputs[0].shape) :]
    return None if inner == op.outputs[0].shape else "may drop leading dimensions of 1 only"


def _strided_slice_rule(op: Op) -> Optional[str]:
    strides = op.inputs[3].constant if op.inputs[3] is not None else None
    if strides is None or np.any(strides != 1):
        return "strides must all be 1"
    if op.options.ellipsisMask or op.options.newAxisMask:
        return "may have neither an ellipsis nor a new axis"
    return None


def _prelu_rule(op: Op) -> Optional[str]:
    alpha = op.inputs[1]
    return "alpha must be one-dimensional" if alpha is not None and _rows(alpha) > 1 else None


def _first(op: Op) -> Tensor:
    return next(tensor for tensor in op.inputs if tensor is not None)


def _rows(tensor: Tensor) -> int:
    return int(np.prod(tensor.shape[:-1], dtype=np.int64))


def _plane(op: Op) -> Set[int]:
    """Return the axes that are x and y: the two before the innermost."""
    rank = len(_first(op).shape)
    return {axis for axis in (rank - 3, rank - 2) if axis >= 0}


def _axes(tensor: Optional[Tensor], op: Op) -> Set[int]:
    """Return constant axes, counted from the front."""
    if tensor is None or tensor.constant is None:
        return set()
    rank = max(len(t.shape) for t in op.activations())
    return {int(axis) % rank for axis in np.ravel(tensor.constant)}


_RULES: Dict[str, Callable[[Op], Optional[str]]] = {
    "CONV_2D": _conv_2d_rule,
    "DEPTHWISE_CONV_2D": _depthwise_rule,
    "FULLY_CONNECTED": _fully_connected_rule,
    "TRANSPOSE_CONV": _convolution_rule,
    "AVERAGE_POOL_2D": _no_activation_rule,
    "MAX_POOL_2D": _no_activation_rule,
    "CONCATENATION": _concatenation_rule,
    "SOFTMAX": _softmax_rule,
    "MEAN": _mean_rule,
    "PAD": _pad_rule,
    "SUM": _reduction_rule,
    "REDUCE_MAX": _reduction_rule,
    "REDUCE_MIN": _reduction_rule,
    "SPLIT": _split_rule,
    "SQUEEZE": _squeeze_rule,
    "STRIDED_SLICE": _strided_slice_rule,
    "PRELU": _prelu_rule,
}
