"""The record of a run: one row an outer iteration, columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

COLUMNS = ("k", "h_norm", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "seconds", "status")


class Trace(Mapping):
    """Columns by name; ``trace["h_norm"][i]`` belongs to iteration i + 1.

    Attributes
    ----------
    diagnostics : Trace or None
        Rows of `k`, `fun` = f(x_k, y_k), `residual` = ‖A_kv_k − b_k‖₂ and `lower_grad_norm` = ‖∇_y g(x_k, y_k)‖₂, and the
        products (`n_hvp`) and gradients (`n_grad`) spent on them, which the run's own counts leave out.

    Examples
    --------
    >>> trace = Trace(("k", "h_norm"))
    >>> trace.append(k=1, h_norm=0.5)
    >>> trace["h_norm"]
    array([0.5])
    """

    def __init__(self, columns: tuple[str, ...], diagnostics: Trace | None = None) -> None:
        self._rows: dict[str, list[Any]] = {name: [] for name in columns}
        self.diagnostics = diagnostics

    def append(self, **values: Any) -> None:
        """Add a row; every column must be there."""
        for name, rows in self._rows.items():
            rows.append(values[name])

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self._rows[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        rows = len(next(iter(self._rows.values())))
        return f"Trace of {rows} rows: " + ", ".join(self._rows)
