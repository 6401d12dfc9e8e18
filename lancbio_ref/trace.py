"""The record of a run: one row an outer iteration, columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

COLUMNS = ("k", "h_norm", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "seconds", "status")


class Trace(Mapping[str, np.ndarray]):
    """Columns by name; ``trace["h_norm"][i]`` belongs to iteration i + 1.

    A column whose entries differ in shape, as those of T_k do, is an array of objects.

    Attributes
    ----------
    diagnostics : Trace or None
        Rows of `k`, `fun` = f(x_k, y_k), `residual` = ‖A_kv_k − b_k‖₂ and `lower_grad_norm` = ‖∇_y g(x_k, y_k)‖₂, and
        the products (`n_hvp`) and gradients (`n_grad`) spent on them, which the run's own counts leave out.

    Examples
    --------
    >>> trace = Trace(("k", "h_norm"))
    >>> trace.append(k=1, h_norm=0.5)
    >>> trace["h_norm"]
    array([0.5])
    """

    def __init__(self, columns: tuple[str, ...], diagnostics: Trace | None = None) -> None:
        self.columns, self.diagnostics = columns, diagnostics
        self._rows: list[tuple[Any, ...]] = []  # whole rows: an interrupt leaves no column longer than another

    def append(self, **values: object) -> None:
        """Add a row; every column must be there."""
        self._rows.append(tuple(values[name] for name in self.columns))

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` rows."""
        del self._rows[rows:]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise KeyError(name)
        place = self.columns.index(name)
        values = [row[place] for row in self._rows]
        if len({np.shape(value) for value in values}) <= 1:
            return np.array(values)
        ragged = np.empty(len(values), dtype=object)  # Q_k and T_k grow
        for i, value in enumerate(values):
            ragged[i] = value
        return ragged

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return f"Trace of {len(self._rows)} rows: " + ", ".join(self.columns)
