"""Deployment: a torch network and pictures come in, an ONNX file and what it answers go out.

In 32-bit floats, in 16-bit ones, and quantised to eight bits (extra ``deploy``). It does not know where a
network comes from, nor what its answers are compared with.
"""

from ..doors import open_doors

__getattr__, __dir__, __all__ = open_doors(
    __name__,
    {
        "export": ("Normalise", "for_pictures", "to_onnx"),
        "quantise": ("to_float16", "to_int8"),
        "runtime": ("OnnxNetwork",),
    },
)
