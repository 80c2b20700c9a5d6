"""ONNX files of fewer bits: 16-bit floats, and eight-bit integers."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from ..errors import DataError
from ..files import write_atomically
from .export import INPUT

Calibration = Literal["MinMax", "Entropy", "Percentile"]
BATCH = 128  # pictures that are calibrated on at a time


def to_float16(source: str | Path, path: str | Path) -> Path:
    """The network of an ONNX file in 16-bit floats; what it takes and gives stays as it was.

    A processor without kernels for these (most CPUs) computes in 32 bits with weights of 16.
    """
    model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    return write_atomically(path, lambda part: onnx.save(model, part))


class _Pictures(CalibrationDataReader):
    """Hands out calibration pictures, batch by batch."""

    def __init__(self, pictures: np.ndarray) -> None:
        starts = range(0, len(pictures), BATCH)
        self._batches = iter([np.ascontiguousarray(pictures[start : start + BATCH]) for start in starts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def to_int8(
    source: str | Path,
    path: str | Path,
    pictures: np.ndarray,
    *,
    calibration: Calibration = "MinMax",
    per_channel: bool = True,
) -> Path:
    """The network of an ONNX file, quantised statically to eight bits.

    Weights are signed integers, with a scale a channel or a tensor; activations unsigned ones, with scales
    from what calibration pictures make of them. Classes are compared afterwards: only pictures that are
    neither searched with nor reported on may calibrate.

    Args:
        source: of :func:`regnas_core.deploy.to_onnx`.
        path: of the new file.
        pictures: (K, …), for calibration; some hundreds.
        calibration: how scales follow from activations.
        per_channel: a scale for every output channel of a weight, or one for all.

    Raises:
        DataError: no calibration pictures, or an unknown kind of calibration.
    """
    if not len(pictures):
        raise DataError(
            "No calibration pictures; some hundreds are needed to know how large activations are."
        )
    if calibration not in get_args(Calibration):
        raise DataError(f"calibration={calibration!r}: choose one of {', '.join(get_args(Calibration))}.")
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # onnxruntime's advice goes to the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(str(source), str(prepared))

            def write(part: Path) -> None:
                quantize_static(
                    str(prepared),
                    str(part),
                    _Pictures(pictures),
                    quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    per_channel=per_channel,
                    calibrate_method=CalibrationMethod[calibration],
                )

            return write_atomically(path, write)
    finally:
        root.setLevel(level)
