"""The Lanczos process: one step at a time, the operator an argument of each step.

    u_j = A_j q_j − β_j q_{j−1};   α_j = q_jᵀu_j;   w_j = u_j − α_j q_j;   β_{j+1} = ‖w_j‖;   q_{j+1} = w_j/β_{j+1}

With one fixed A this is the process of Lanczos (1950) in Paige's stable order, with the contract

    A Q_j = Q_j T_j + β_{j+1} q_{j+1} e_jᵀ,     T_j = tridiag(β, α, β).

With another A at each step it is DLanczos (Yang, Gao, Yuan 2025, Algorithm 4). Then T_j is not Q_jᵀAQ_j of any
one A, and what holds is the same identity column by column:

    [A_1q_1, …, A_jq_j] = Q_j T_j + β_{j+1} q_{j+1} e_jᵀ   (+ Q_j H where reorthogonalization took H away).

With a preconditioner M ≈ A⁻¹ the vectors q are orthonormal in the inner product of M⁻¹, and their duals
p_j = M⁻¹q_j are stored beside them: q_iᵀp_j = δ_ij, w_j = A q_j − α_j p_j − β_j p_{j−1}, q_{j+1} = M w_j/β_{j+1}.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .. import kernels, parallel
from ..arguments import COMPLEX, as_choice, as_integer, as_vector
from ..errors import ArgumentError, LancbioError, RepresentationError
from ..operators import CheckedOperator, as_square
from ..rounding import SAFE_SQUARES, is_finite, norm2, real_view, scale, scale_number, unit_roundoff
from .preconditioning import Preconditioner, as_preconditioner
from .reorthogonalization import MODES
from .scaling import exponent_of
from .tridiagonal import eigenvectors

_NOTHING = np.zeros(0)


class LanczosProcess:
    """A Lanczos process that has taken k steps.

    Parameters
    ----------
    q1 : array_like, shape (n,), float32, float64, complex64 or complex128
        The start; need not be normalized, must not be zero.
    reorthogonalization : {"none", "local", "selective", "partial", "full"}
        ``selective`` and ``partial`` presuppose that every step has the same operator.
    M : LinearOperator, optional
        A preconditioner, symmetric positive definite.
    capacity : int, optional
        Columns to make room for at once; the buffer doubles when it is full.
    store : bool
        Whether the basis is kept. Without it only the last two vectors are (``none`` and ``local`` alone).
    watch : bool
        Whether to note in `defects` what each step shows of the symmetry of a fixed A: one or two dot products a step.

    Attributes
    ----------
    k : int
        Steps taken.
    Q : ndarray, shape (n, k)
        Basis, a view.
    alpha, beta : ndarray, shape (k,)
        α_1 … α_k and β_2 … β_{k+1}, views; ``beta[-1]`` is the residual norm.
    q_next : ndarray, shape (n,)
        q_{k+1}; zeros at breakdown.
    start_norm : float
        ‖q1‖ (in the norm of M where there is one).
    breakdown : bool
        β_{k+1} is at rounding level: the space is invariant.
    n_reorthogonalized : int
        Vectors that were orthogonalized beyond the recurrence.
    defects : list of float
        With `watch`, for each step j: |q_{j−1}ᴴA q_j − β_j| and |Im q_jᴴA q_j|, the larger, for both are 0 where A is
        symmetric (Hermitian).
    H : ndarray, shape (k, k)
        Column j: what reorthogonalization took from w_j, as coefficients of Q (``local`` and ``full``); `columns` has
        them as far as they reach.
    scale : float
        The largest norm of a column of T (with its β_{j+1}) so far: ‖A q_j‖, or its analogue for the preconditioned A.
    norm_A : float
        The largest ‖A q_j‖₂/‖q_j‖₂ so far, a lower bound of ‖A‖₂.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import LanczosProcess
    >>> process = LanczosProcess([3.0, 4.0])
    >>> process.step(np.diag([1.0, 2.0]))
    >>> process.alpha, process.start_norm
    (array([1.64]), 5.0)
    """

    def __init__(
        self,
        q1: Any,
        *,
        reorthogonalization: str = "none",
        M: LinearOperator | None = None,
        capacity: int | None = None,
        store: bool = True,
        watch: bool = False,
    ) -> None:
        q1 = as_vector("q1", q1, kinds=COMPLEX)
        self.reorthogonalization = as_choice("reorthogonalization", reorthogonalization, MODES)
        self._rule = MODES[reorthogonalization]()
        if self._rule.needs_basis and not store:
            raise ArgumentError("store", False, f"True: reorthogonalization {reorthogonalization!r} needs the basis")
        if watch and not store:
            raise ArgumentError("watch", True, "False without a stored basis")
        self.M, self.store, self.watch = as_preconditioner(M, q1), store, watch
        self._preconditioner = None if self.M is None else Preconditioner(self.M)
        self._turn = 3 if self._rule.needs_last_two else 2  # rows, where no basis is stored
        self._calls: dict[str, int] = {}
        self.capacity = min(q1.size, 16) if capacity is None else as_integer("capacity", capacity, least=1)
        self._allocate(q1.dtype, q1.size)
        self._begin(q1)

    def restart(self, q1: Any) -> None:
        """Begin anew from q1, in the memory of this process: what its views showed is overwritten.

        Raises
        ------
        ArgumentError
            As when a process is made; q1 of another length.
        """
        q1 = as_vector("q1", q1, self.n, kinds=COMPLEX)
        if q1.dtype != self.dtype:
            self._allocate(q1.dtype, q1.size)
        self._rule = MODES[self.reorthogonalization]()
        self._begin(q1)

    def _begin(self, q1: np.ndarray) -> None:
        self.unit = 1.0
        self.k, self.scale, self.norm_A, self.n_reorthogonalized, self.breakdown = 0, 0.0, 0.0, 0, False
        self._alpha, self._beta = np.zeros(self.capacity + 1), np.zeros(self.capacity + 1)
        self.columns: list[np.ndarray] = []
        self.defects: list[float] = []
        self._dual[0] = q1
        if not q1.any():
            raise ArgumentError("q1", "zeros", "a vector that is not zero")
        self.residual_norm = norm2(q1)
        if self.M is None:
            self.start_norm = self.residual_norm
            self._normalize(0, self.start_norm)
            return
        exponent = exponent_of(self.residual_norm, q1.dtype)  # M q1 may overflow, or underflow, where M q_1 does not
        if exponent:
            self._dual[0] = scale(q1, -exponent)
        size = self._dual_size(self._dual[0], 0)
        if size == 0:
            raise ArgumentError("M", "q1ᴴMq1 = 0", "a positive definite preconditioner")
        self.start_norm = scale_number(size, exponent)
        self._normalize(0, size)
        if not (0 < self.start_norm < math.inf and is_finite(self._dual[0]) and self._rows[0].any()):
            raise RepresentationError(f"q1, normalized by M, leaves the range of {self.dtype}: scale M")

    # -- what a reader of the process sees -------------------------------------------------

    @property
    def n(self) -> int:
        return self._rows.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self._rows.dtype

    @property
    def Q(self) -> np.ndarray:
        if not self.store:
            raise LancbioError("this process keeps no basis: make it with store=True")
        return self._rows[: self.k].T

    @property
    def alpha(self) -> np.ndarray:
        return self._alpha[: self.k]

    @property
    def beta(self) -> np.ndarray:
        return self._beta[: self.k]

    @property
    def q(self) -> np.ndarray:
        """q_k, the vector of the last step."""
        return self._rows[self._row(self.k - 1)]

    @property
    def q_next(self) -> np.ndarray:
        return self._rows[self._row(self.k)]

    @property
    def T(self) -> np.ndarray:
        """T_k as a dense k × k array."""
        off = self.beta[:-1]
        return np.diag(self.alpha) + np.diag(off, 1) + np.diag(off, -1)

    @property
    def H(self) -> np.ndarray:
        H = np.zeros((self.k, self.k), dtype=np.result_type(self.dtype, np.float64))
        for j, h in enumerate(self.columns):
            H[: h.size, j] = h
        return H

    @property
    def norm_M(self) -> float:
        """The largest ‖M w‖₂/‖w‖₂ so far, a lower bound of ‖M‖₂; 0 without M."""
        return self._preconditioner.norm if self._preconditioner is not None else 0.0

    # -- one step --------------------------------------------------------------------------

    def step(self, A: Any) -> None:
        """One step with the operator A (n × n, symmetric or Hermitian).

        Raises
        ------
        ArgumentError
            A of another shape, or of a wider type than the process.
        CallableError
            A product that is not finite, with its number.
        RepresentationError
            A product so large that α or β overflows.
        LancbioError
            After a breakdown: the space is invariant, and only a new start leads out of it.
        """
        if self.breakdown:
            raise LancbioError(f"the Krylov space is invariant after {self.k} steps: start a new process")
        if not isinstance(A, CheckedOperator):
            A = CheckedOperator(as_square("A", A), "A", self._calls)
        self._check_operator(A)
        j = self.k
        self._reserve(j + 2)
        row, here = self._row(j), self._row(j + 1)
        q, p, w = self._rows[row], self._dual[row], self._dual[here]
        u = A.product(q, self.dtype)
        if self.M is not None:
            size = norm2(q)
            self.norm_A = max(self.norm_A, norm2(u) / size if size else 0.0)
        coupling, previous = (self._beta[j - 1], self._dual[self._row(j - 1)]) if j else (0.0, p)

        n, u_real, p_real, w_real = real_view(q).size, real_view(u), real_view(p), real_view(w)
        alpha = parallel.total(kernels.dot_after, n, real_view(q), u_real, coupling, real_view(previous))
        if j and self._row(j + 1) == self._row(j - 1):
            square = parallel.total(kernels.next_in_place, n, u_real, coupling, alpha, p_real, w_real)
        else:
            square = parallel.total(
                kernels.next_vector, n, u_real, coupling, real_view(previous), alpha, p_real, w_real
            )
        if not math.isfinite(square):
            A.require_finite(u, q)
        self.residual_norm = self._norm(w, square)
        if not (math.isfinite(alpha) and math.isfinite(self.residual_norm)):
            raise RepresentationError(f"step {j + 1}: alpha or beta overflows {self.dtype}: scale A down")
        self._alpha[j] = alpha
        self.k = j + 1
        self._close(w, here)

    def _close(self, w: np.ndarray, here: int) -> None:
        """Reorthogonalize w_j, and from it β_{j+1} and q_{j+1}."""
        j = self.k - 1
        coupling = self._beta[j - 1] if j else 0.0
        self._beta[j] = beta = self._dual_size(w, here)
        column = math.hypot(coupling, self._alpha[j], beta)
        self.scale = max(self.scale, min(column, sys.float_info.max))
        if j == 0 or self.scale > self.unit * 2.0**400:
            # a power of two near ‖A‖: LAPACK and the QL iteration want T of moderate size
            self.unit = math.ldexp(1.0, min(max(math.frexp(self.scale)[1], -1020), 1020))
        if self.M is None:
            self.norm_A = self.scale
        self.columns.append(_NOTHING)
        if self.watch:
            self._observe(w)
        changed = self._rule.apply(self, w, beta)
        if self._rule.one_operator and beta <= 16 * math.sqrt(self.unit_roundoff) * self.scale:
            self.orthogonalize_full(w)  # cancellation has magnified what semi-orthogonality leaves
            changed = True
        if changed:
            self.n_reorthogonalized += 1
            self.residual_norm = norm2(w)
            self._beta[j] = beta = self._dual_size(w, here)
        self.breakdown = beta <= (self.n + 10) * self.unit_roundoff * self.scale
        if self.breakdown or beta == 0:
            self._rows[here] = self._dual[here] = 0
            return
        self._normalize(here, beta)
        if self.M is not None and not (is_finite(self._dual[here]) and is_finite(self._rows[here])):
            raise RepresentationError(f"step {j + 1}: q, normalized by M, leaves the range of {self.dtype}: scale M")

    def _observe(self, w: np.ndarray) -> None:
        """q_{j−1}ᴴw_j = q_{j−1}ᴴA q_j − β_j, and Im q_jᴴw_j = Im q_jᴴA q_j, before anything is taken out of w_j."""
        j = self.k - 1
        h = parallel.coefficients(self._rows[max(j - 1, 0) : j + 1], w)
        self.defects.append(max(abs(float(h[-1].imag)), abs(complex(h[0])) if j else 0.0))

    # -- what reorthogonalization asks of it -----------------------------------------------

    def orthogonalize_full(self, w: np.ndarray) -> None:
        """w ← w − P(Qᴴw), twice; the coefficients are added to column j of H.   Writes w."""
        self._project(w, 0)
        self._project(w, 0)

    def orthogonalize_local(self, w: np.ndarray) -> None:
        """w ← w − P(Qᴴw) for the last two basis vectors.   Writes w."""
        if self.store:
            self._project(w, max(self.k - 2, 0))
        else:
            for place in range(max(self.k - 2, 0), self.k):
                row = slice(self._row(place), self._row(place) + 1)
                self.subtract(w, self._rows[row], self._dual[row])

    def _project(self, w: np.ndarray, first: int) -> None:
        h = self.subtract(w, self._rows[first : self.k], self._dual[first : self.k])
        total = np.zeros(self.k, dtype=h.dtype)
        total[: self.columns[-1].size] = self.columns[-1]
        total[first:] += h
        self.columns[-1] = total

    def subtract(self, w: np.ndarray, vectors: np.ndarray, duals: np.ndarray) -> np.ndarray:
        """w ← w − Σ_i dual_i (vector_iᴴ w), one vector a row; returns the coefficients vector_iᴴ w.   Writes w."""
        h = parallel.coefficients(vectors, w)
        parallel.subtract_rows(duals, h, w)
        return h

    def project(self, r: np.ndarray) -> np.ndarray:
        """Q_kᴴ r, shape (k,), summed in float64."""
        return parallel.coefficients(self._rows[: self.k], r)

    def ritz_vectors(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """The Ritz vectors Q_k s of the eigenvalues first … last (ascending) of T_k, one a row, and duals P_k s."""
        S = eigenvectors(self.alpha / self.unit, self.beta[:-1] / self.unit, first, last)
        P = self._dual[: self.k]
        vectors = np.stack([self.combine(s) for s in S.T])
        return vectors, vectors if self.M is None else np.stack([parallel.combination(P, s) for s in S.T])

    def combine(self, s: np.ndarray) -> np.ndarray:
        """Q_j s for the first j = s.size ≤ k basis vectors, shape (n,)."""
        return parallel.combination(self._rows[: s.size], s)

    # -- memory ----------------------------------------------------------------------------

    def _row(self, j: int) -> int:
        """Where q_{j+1} is stored: its own row, or one of two or three in turn."""
        return j if self.store else j % self._turn

    def _allocate(self, dtype: np.dtype, n: int) -> None:
        """Rows for the vectors, untouched: a row costs memory when it is first written.

        np.empty, for NumPy asks for large pages for it alone: the first touch of a row of np.zeros costs 20 times more.
        """
        self.unit_roundoff = unit_roundoff(dtype)
        rows = self.capacity + 1 if self.store else self._turn
        try:
            self._rows = np.empty((rows, n), dtype)
            self._dual = self._rows if self.M is None else np.empty((rows, n), dtype)
        except MemoryError:
            if not self.store or self.capacity <= 16:
                raise
            self.capacity = 16
            self._allocate(dtype, n)

    def _reserve(self, rows: int) -> None:
        """Room for `rows` vectors: geometric growth, so a basis of k vectors is copied fewer than 2k times in all."""
        if rows > self._alpha.size:
            self._alpha, self._beta = (np.concatenate([a, np.zeros(a.size)]) for a in (self._alpha, self._beta))
        if self.store and rows > self._rows.shape[0]:
            self.capacity = 2 * self.capacity + 1
            grown = [_grow(self._rows, self.capacity + 1)]
            grown.append(grown[0] if self.M is None else _grow(self._dual, self.capacity + 1))
            self._rows, self._dual = grown

    def _check_operator(self, A: LinearOperator) -> None:
        if A.dtype == self.dtype and A.shape == (self.n, self.n):  # A is not kept: it may hold vectors of its own
            return
        if A.shape != (self.n, self.n):
            raise ArgumentError("A", f"shape {A.shape}", f"shape ({self.n}, {self.n})")
        wider = np.result_type(self.dtype, A.dtype)
        if wider != self.dtype:
            if wider.char not in COMPLEX:
                raise ArgumentError("A", f"dtype {A.dtype}", "float32, float64, complex64 or complex128")
            if self.k:
                raise ArgumentError(
                    "A", f"dtype {A.dtype}", f"a type no wider than {self.dtype}, that of the first step"
                )
            start = self._rows[0], self._dual[0]
            self._allocate(wider, self.n)
            self._rows[0], self._dual[0] = start
            self._normalize(0, 1.0 if self.M is not None else norm2(self._rows[0]))

    def _normalize(self, row: int, beta: float) -> None:
        for rows in (self._dual,) if self.M is None else (self._dual, self._rows):
            w = real_view(rows[row])
            parallel.each(kernels.divide, w.size, w, beta)

    def _norm(self, w: np.ndarray, square: float) -> float:
        return math.sqrt(square) if SAFE_SQUARES[0] < square < SAFE_SQUARES[1] else norm2(w)

    def _dual_size(self, w: np.ndarray, here: int) -> float:
        """‖w‖, or √(wᴴMw), with M w left in its row."""
        if self._preconditioner is None:
            return self.residual_norm
        return self._preconditioner.apply(w, self._rows[here])


def _grow(rows: np.ndarray, size: int) -> np.ndarray:
    grown = np.empty((size, rows.shape[1]), rows.dtype)
    grown[: rows.shape[0]] = rows
    return grown
