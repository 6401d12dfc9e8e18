"""The Lanczos process of one cycle of a solve, which nobody sees afterwards."""

from __future__ import annotations

from .process import LanczosProcess
from .reorthogonalization import MODES, SelectiveWhileCheap


class CycleProcess(LanczosProcess):
    """A process whose basis ends with its cycle, so that its memory may be that of the solve before.

    Nobody looks at its Ritz vectors either: ``selective`` is that of :class:`SelectiveWhileCheap`.

    Examples
    --------
    >>> import numpy as np
    >>> process = CycleProcess(np.ones(3), reorthogonalization="selective")
    >>> type(process._rule).__name__
    'SelectiveWhileCheap'
    """

    _ends_with_solve = True
    _rules = MODES | {"selective": SelectiveWhileCheap}
