"""What shows that an operator is not symmetric (Hermitian): the coefficients of a Lanczos process, or a probe.

Both compare vᴴA w with (wᴴA v)*. For vectors of norm 1 rounding may part the two by c n u‖A‖; that a black box parts
them by more says something of A only beyond what its own, unknown, arithmetic may do, for which u^⅓‖A‖ is allowed here:
a product formed in float32 and returned as float64 is not called unsymmetric.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..errors import ArgumentError
from ..operators import CheckedOperator, structure_of
from ..rounding import gamma, norm2, scale_number, smallest_subnormal, unit_roundoff
from .process import LanczosProcess

CONFIRMED = 3  # steps that are compared afresh, at most
EXPECTED = "a symmetric (Hermitian) operator"


def require_shown_symmetry(process: LanczosProcess, A: LinearOperator) -> float:
    """The largest defect of symmetry that a process with watch=True has seen, in units of its `scale`.

    A symmetric A with local rounding errors u‖A‖ leaves q_{j−1}ᴴA q_j − β_j = O(j u‖A‖²/β_j), for neighbours lose their
    orthogonality as 1/β_j (Paige): so a defect counts β_j/‖A‖-fold. ``full`` keeps the basis orthogonal to u, and
    column j of H is that of QᴴA Q − T as it stands.

    Raises
    ------
    ArgumentError
        More than rounding explains.
    """
    if process.scale == 0:
        return 0.0
    weighted = defects = [defect * _weight(process, j) for j, defect in enumerate(process.defects)]
    if process.reorthogonalization == "full":
        columns = [norm2(h[:-1]) if h.size > 1 else 0.0 for h in process.columns]
        weighted = [max(pair) for pair in zip(weighted, columns, strict=True)]
    worst = max(weighted)
    level = 64 * (process.n + process.k) * process.unit_roundoff * process.scale
    checked = CheckedOperator(A, "A")
    # The vectors may not be as orthogonal as this presupposes: what looks unsymmetric is compared afresh
    for step in np.argsort(weighted)[: -1 - CONFIRMED : -1]:
        if weighted[step] <= level:
            break
        other = step - 1 if weighted[step] == defects[step] else int(np.argmax(np.abs(process.columns[step][:-1])))
        difference, allowed = _compare(checked, process.Q[:, max(other, 0)], process.Q[:, step], process.scale)
        if difference > allowed:
            found = f"q_iᴴAq_j and (q_jᴴAq_i)* that differ by {difference / process.scale:.2g} ||A|| at step {step + 1}"
            raise ArgumentError("A", found, EXPECTED)
    return worst / process.scale


def _weight(process: LanczosProcess, j: int) -> float:
    return min(1.0, float(process.beta[j - 1]) / process.scale) if j else 1.0


def require_symmetry(A: CheckedOperator) -> None:
    """Compare vᴴA w with (wᴴA v)* for two random vectors; two products.

    Raises
    ------
    ArgumentError
        They differ by more than rounding explains.

    Examples
    --------
    >>> from lancbio_ref.operators import DenseOperator
    >>> require_symmetry(CheckedOperator(DenseOperator([[1.0, 1e-12], [0.0, 1.0]]), "A"))
    Traceback (most recent call last):
    lancbio_ref.errors.ArgumentError: A: found vᴴAw and (wᴴAv)* that differ by ..., expected a symmetric ... operator
    """
    rng, n = np.random.default_rng(0), A.shape[0]
    dtype = np.result_type(A.dtype, np.float32)
    pair = [rng.standard_normal(n) + (1j * rng.standard_normal(n) if dtype.kind == "c" else 0.0) for _ in range(2)]
    v, w = ((z / norm2(z)).astype(dtype) for z in pair)
    difference, allowed = _compare(A, v, w, 0.0)
    if difference > allowed:
        found = f"vᴴAw and (wᴴAv)* that differ by {difference:.2g} for random v and w of norm 1"
        raise ArgumentError("A", found, EXPECTED)


def _compare(A: CheckedOperator, v: np.ndarray, w: np.ndarray, norm_A: float) -> tuple[float, float]:
    """|vᴴA w − (wᴴA v)*| for vectors of norm 1, and how much of it their rounding may be; `norm_A` ≤ ‖A‖."""
    n, structure, dtype = A.shape[0], structure_of(A), v.dtype
    Av, Aw = A.matvec(v), A.matvec(w)
    size = max(norm2(Av), norm2(Aw), norm_A)
    if size == 0:
        return 0.0, 0.0
    exponent, u = math.frexp(size)[1], unit_roundoff(dtype)
    difference = abs(_dot(v, Aw, -exponent) - np.conj(_dot(w, Av, -exponent)))
    if structure is None:
        g = np.random.default_rng(1).standard_normal(n).astype(dtype)  # rounding is in proportion to ‖A‖
        size = max(size, norm2(A.matvec(g)) / norm2(g) * math.sqrt(n))
        allowed = scale_number(u ** (1 / 3) * size, -exponent)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            bounds = structure.abs_product(np.abs(w)), structure.abs_product(np.abs(v))
        sizes = (abs(_dot(np.abs(z), p, -exponent)) for z, p in zip((v, w), bounds, strict=True))
        allowed = 2 * gamma(structure.terms + 2 * n + 10, u) * sum(sizes)
    terms = n if structure is None else structure.terms
    allowed += 4 * n * (terms + 2) * scale_number(smallest_subnormal(dtype), -exponent)
    return scale_number(difference, exponent), scale_number(allowed, exponent)


def _dot(x: np.ndarray, y: np.ndarray, exponent: int) -> complex:
    """xᴴ(2^exponent y) in double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        y = y.astype(np.complex128)
        return complex(np.vdot(x.astype(np.complex128), np.ldexp(y.real, exponent) + 1j * np.ldexp(y.imag, exponent)))
