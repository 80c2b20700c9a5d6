"""Every error that regnas_core raises on purpose.

Each message says what was wrong, what was expected and what to do. All derive from
:class:`RegnasError`, so a caller can catch the whole family; each also derives from the
built-in exception that a Python programmer would expect.
"""


class RegnasError(Exception):
    """Base of all errors raised on purpose by this package."""


class PresetError(RegnasError, ValueError):
    """A preset file or a ``--set key=value`` override is not valid."""


class GeneError(RegnasError, ValueError):
    """A gene lies outside its choices, is missing, or is unknown."""


class InfeasibleError(RegnasError, ValueError):
    """No architecture satisfies the constraint (budget, containment, or both)."""


class PredictionError(RegnasError, ValueError):
    """Predictions and labels do not fit together (shape, type, range, NaN logits)."""


class CheckpointError(RegnasError, ValueError):
    """A checkpoint is missing, truncated, or belongs to another architecture or data set."""


class DataError(RegnasError, ValueError):
    """A data set is missing, or its files or splits are not what they should be."""


class WriteError(RegnasError, OSError):
    """A file cannot be written: the disk is full, the folder read-only."""


class NotebookError(RegnasError, ValueError):
    """A notebook is unknown, takes no such parameter, or failed while it ran."""


class MissingExtraError(RegnasError, ImportError):
    """A package is not installed that comes with an extra of this one."""
