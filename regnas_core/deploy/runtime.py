"""An ONNX file, run by onnxruntime on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from ..errors import CheckpointError, PredictionError


class OnnxNetwork:
    """A network out of an ONNX file.

    Args:
        path: of the file.
        threads: of a batch; 0 takes all cores.
        simulated: run every operation as it is written, in floats between Quantize and Dequantize, instead of
            by the processor's integer kernels: what a quantised network means, and what another device's
            correct kernels come close to. Slow.

    Raises:
        CheckpointError: no such file, no ONNX, or operations for which onnxruntime has no kernel here.
    """

    def __init__(self, path: str | Path, *, threads: int = 0, simulated: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if simulated:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception a kind of failure, of no common base
            raise CheckpointError(
                f"{path} cannot be run by onnxruntime {onnxruntime.__version__} on this CPU "
                f"({type(error).__name__}: {str(error)[:200]})."
            ) from None
        (self._input,) = self._session.get_inputs()

    def logits(self, pictures: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Logits float32 (N, classes) of pictures (N, …), as the exported network takes them.

        Raises:
            PredictionError: pictures of another type or shape.
        """
        parts = []
        for start in range(0, len(pictures), batch_size):
            batch = np.ascontiguousarray(pictures[start : start + batch_size])
            try:
                (found,) = self._session.run(None, {self._input.name: batch})
            except Exception as error:
                raise PredictionError(
                    f"Pictures {batch.dtype} {batch.shape} do not fit the network, which takes "
                    f"{self._input.type} {self._input.shape} ({type(error).__name__})."
                ) from None
            parts.append(np.asarray(found, np.float32))
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    def predict(self, pictures: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Classes int64 (N,).

        Raises:
            PredictionError: as by :meth:`logits`; or logits that are not finite.
        """
        logits = self.logits(pictures, batch_size)
        if not np.isfinite(logits).all():
            raise PredictionError("Logits are not finite: the numbers of this format are too coarse for it.")
        return logits.argmax(1)
