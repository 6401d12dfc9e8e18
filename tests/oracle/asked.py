"""One small case at every level, for the tests of candidates."""

from __future__ import annotations

import numpy as np

A, B = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([3.0, 5.0])
V = [0.8, 1.4]


def case(level="solve", **more):
    fields = dict(
        solve=dict(A=A, b=B, v0=np.zeros(2)),
        hypergradient=dict(A=A, J=np.ones((3, 2)), b=B, c=np.ones(3), v0=np.zeros(2), problem=None),
        lanczos=dict(A=A, q1=np.array([1.0, 0.0]), k=2),
        trace=dict(method="lancbio", iterations=2),
    )
    return dict(id="case-002", level=level) | fields[level] | more
