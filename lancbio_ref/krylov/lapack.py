"""LAPACK from compiled loops: the routines that SciPy calls, at addresses that are looked up in every process.

An address that is compiled in would be that of one process, and nothing could be kept on disk; so it is an argument.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..kernels import exact
from ..kernels.addresses import address_in


@cache
def address_of(name: str) -> int:
    """Of a routine in ``scipy.linalg.cython_lapack`` with 32-bit integers; 0 where there is none."""
    from scipy.linalg import cython_lapack

    return address_in(cython_lapack, name, lambda signature: "(int *" in signature)  # else integers of another size


def _seven(typing, address, a, b, c, d, e, f, g):
    """Call what lies at `address` with seven pointers."""

    def build(context, builder, signature, arguments):
        from llvmlite import ir

        pointer = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer] * 7)
        called = builder.inttoptr(arguments[0], function.as_pointer())
        builder.call(called, [builder.inttoptr(argument, pointer) for argument in arguments[1:]])
        return context.get_dummy_value()

    return types.void(types.uintp, *[types.uintp] * 7), build


_call_with_seven: Any = intrinsic(_seven)


@exact
def solve_definite(ptsv, alpha, beta, y):
    """T y = r by ``dptsv``, T = tridiag(beta[:-1], alpha): LDLᵀ without pivoting.

    ptsv : its address, or 0, which solves nothing.
    alpha, beta : k, read; beta[k − 1] counts for nothing.   y : k, holds r;  overwritten by the solution.
    Returns whether T is positive definite and y finite; else y is of no use.
    """
    if ptsv == 0:
        return False
    k = alpha.size
    d, e, sizes = np.empty(k), np.empty(k), np.empty(4, np.int32)
    for i in range(k):
        d[i], e[i] = alpha[i], beta[i]
    sizes[0], sizes[1], sizes[2], sizes[3] = k, 1, k, 0
    at, step = np.uintp(sizes.ctypes.data), np.uintp(sizes.itemsize)
    _call_with_seven(
        np.uintp(ptsv),
        at,
        at + step,
        np.uintp(d.ctypes.data),
        np.uintp(e.ctypes.data),
        np.uintp(y.ctypes.data),
        at + np.uintp(2) * step,
        at + np.uintp(3) * step,
    )
    solved = sizes[3] == 0
    for i in range(k):
        solved = solved and math.isfinite(y[i]) and math.isfinite(alpha[i])
    return solved
