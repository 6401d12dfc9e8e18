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
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from .. import memory, parallel
from ..arguments import COMPLEX, Operator, Reorthogonalization, as_choice, as_integer, as_vector
from ..errors import ArgumentError, LancbioError, RepresentationError
from ..operators import CheckedOperator
from ..rounding import SAFE_SQUARES, is_finite, norm2, scale_number, unit_roundoff
from ..status import StepStatus
from . import compiled_step, fused
from .basis import Basis
from .preconditioning import Preconditioner, as_preconditioner
from .reorthogonalization import MODES, NoReorthogonalization
from .step_operator import as_step_operator
from .tridiagonal import TridiagonalSolution, dense, eigenvectors, solve_tridiagonal

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

    _ends_with_solve = False  # whether the memory of the basis may be that of an earlier solve
    _rules: ClassVar[dict[str, type[NoReorthogonalization]]] = MODES

    def __init__(
        self,
        q1: npt.ArrayLike,
        *,
        reorthogonalization: Reorthogonalization = "none",
        M: LinearOperator | None = None,
        capacity: int | None = None,
        store: bool = True,
        watch: bool = False,
    ) -> None:
        q1 = as_vector("q1", q1, kinds=COMPLEX)
        self.reorthogonalization = as_choice("reorthogonalization", reorthogonalization, MODES)
        self._rule = self._rules[reorthogonalization]()
        if self._rule.needs_basis and not store:
            raise ArgumentError("store", False, f"True: reorthogonalization {reorthogonalization!r} needs the basis")
        if watch and not store:
            raise ArgumentError("watch", True, "False without a stored basis")
        self.M = None if M is None else as_preconditioner(M, q1)
        self.store, self.watch = store, watch
        self._preconditioner = None if self.M is None else Preconditioner(self.M)
        self._calls: dict[str, int] = {}
        self._make_basis(
            q1.size, q1.dtype, min(q1.size, 16) if capacity is None else as_integer("capacity", capacity, least=1)
        )
        self._begin(q1)

    def restart(self, q1: npt.ArrayLike) -> None:
        """Begin anew from q1, in the memory of this process: what its views showed is overwritten.

        Raises
        ------
        ArgumentError
            As when a process is made; q1 of another length.
        """
        q1 = as_vector("q1", q1, self.n, kinds=COMPLEX)
        if q1.dtype != self.dtype:
            self._make_basis(q1.size, q1.dtype, self.capacity)
        self._rule = self._rules[self.reorthogonalization]()
        self._begin(q1)

    def _make_basis(self, n: int, dtype: np.dtype, capacity: int) -> None:
        ring = 0 if self.store else 3 if self._rule.needs_last_two else 2
        duals, ends = self.M is not None, self._ends_with_solve
        self._basis = Basis(n, dtype, capacity=capacity, ring=ring, has_duals=duals, ends_with_solve=ends)
        self.n, self.dtype, self.unit_roundoff = n, dtype, unit_roundoff(dtype)

    def _begin(self, q1: np.ndarray) -> None:
        """q_1 = q1/‖q1‖."""
        self.unit = 1.0
        self.k, self.scale, self.norm_A, self.n_reorthogonalized, self.breakdown = 0, 0.0, 0.0, 0, False
        # α_j is _alpha[j − 1], β_j is _beta[j − 1], and β_1 = 0
        self._alpha, self._beta = np.zeros(self.capacity + 1), np.zeros(self.capacity + 2)
        self.columns: list[np.ndarray] = []
        self.defects: list[float] = []
        size = self.residual_norm = norm2(q1)
        if size == 0:
            raise ArgumentError("q1", "zeros", "a vector that is not zero")
        basis = self._basis
        p = basis.p(1)
        p[:] = q1
        exponent = 0
        if self._preconditioner is not None:
            size, exponent = self._preconditioner.begin(size, p, basis.q(1))
        self.start_norm = scale_number(size, exponent)
        basis.divide(1, size)
        if self.M is not None and not (0 < self.start_norm < math.inf and is_finite(p) and basis.q(1).any()):
            raise RepresentationError(f"q1, normalized by M, leaves the range of {self.dtype}: scale M")

    # -- what a reader of the process sees -------------------------------------------------

    @property
    def capacity(self) -> int:
        """Steps that there is room for, or were announced."""
        return self._basis.capacity

    @property
    def Q(self) -> np.ndarray:
        if not self.store:
            raise LancbioError("this process keeps no basis: make it with store=True")
        return self._basis.rows(1, self.k)[0].T

    @property
    def alpha(self) -> np.ndarray:
        return self._alpha[: self.k]

    @property
    def beta(self) -> np.ndarray:
        return self._beta[1 : self.k + 1]

    @property
    def q(self) -> np.ndarray:
        """q_k, the vector of the last step."""
        return self._basis.q(self.k)

    @property
    def q_next(self) -> np.ndarray:
        return self._basis.q(self.k + 1)

    @property
    def T(self) -> np.ndarray:
        """T_k as a dense k × k array."""
        return dense(self.alpha, self.beta[:-1])

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

    def step(self, A: Operator) -> None:
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
        A, vectors = self._checked(A), self._basis.step(self.k + 1)
        self._finish(A, A.product(vectors[0], self.dtype), *vectors)

    def _finish(
        self, A: CheckedOperator, Aq: np.ndarray, q: np.ndarray, p: np.ndarray, p_before: np.ndarray, w: np.ndarray
    ) -> None:
        """From A q_j to q_{j+1}."""
        j = self.k + 1
        beta = self._beta[j - 1]
        alpha = fused.dot_after(q, Aq, beta, p_before)  # α_j = q_jᵀu_j,  u_j = A q_j − β_j p_{j−1}
        square = fused.next_vector(Aq, beta, p_before, alpha, p, w)  # w_j = u_j − α_j p_j,  and ‖w_j‖²
        self._keep_alpha(alpha, square, A, q, Aq, w)
        beta_next = self._close(w)  # β_{j+1} = ‖w_j‖ after reorthogonalization
        self._divide(j + 1, beta_next)  # q_{j+1} = w_j/β_{j+1}

    def step_and_solve(self, A: Operator, r: np.ndarray) -> tuple[np.ndarray, TridiagonalSolution, np.ndarray | None]:
        """A step with A, and with the j columns and the T_j that there are then Q_jᵀr, T_j⁻¹Q_jᵀr and Q_j T_j⁻¹Q_jᵀr.

        The last is None where T_j is singular to working precision. Raises what :meth:`step` raises.
        """
        A, j = self._checked(A), self.k + 1
        Aq = A.product(self._basis.start(j), self.dtype)
        if compiled_step.is_plain(self, r):
            projected, y, dv = np.empty(j), np.empty(j), memory.empty(self.n, self.dtype)
            if compiled_step.finish(self, Aq, r, projected, y, dv):
                return projected, TridiagonalSolution(y, StepStatus.REGULAR), dv
            del dv
        if self.k < j:
            self._finish(A, Aq, *self._basis.step(j))
        del Aq
        projected = self.project(r)
        solution = solve_tridiagonal(self.alpha, self.beta[:-1], projected)
        return projected, solution, None if solution.y is None else self.combine(solution.y)

    def _checked(self, A: Any) -> CheckedOperator:
        """A, counted and checked, for the next step. It is not kept: it may hold vectors of its own."""
        if self.breakdown:
            raise LancbioError(f"the Krylov space is invariant after {self.k} steps: start a new process")
        A, wider = as_step_operator(A, self.n, self.dtype, self.k, self._calls)
        if wider != self.dtype:
            self._widen(wider)
        if not self._alpha.flags.writeable:  # sent to another process as a memory map: all that is written is copied
            self._alpha, self._beta = np.array(self._alpha), np.array(self._beta)
        self._basis.own()
        if self._alpha.size <= self.k + 1:
            self._alpha, self._beta = (np.concatenate([a, np.zeros(a.size)]) for a in (self._alpha, self._beta))
        return A

    def _widen(self, dtype: np.dtype) -> None:
        """The start in a wider type, before the first step."""
        old = self._basis
        self._make_basis(self.n, dtype, self.capacity)
        self._basis.p(1)[:] = old.p(1)
        self._basis.q(1)[:] = old.q(1)
        if self.M is None:
            self._basis.divide(1, norm2(self._basis.q(1)))

    def _keep_alpha(
        self, alpha: float, square: float, A: CheckedOperator, q: np.ndarray, Aq: np.ndarray, w: np.ndarray
    ) -> None:
        """α_j and ‖w_j‖, from the square of it in hand; an exception that says why where one of them is no number."""
        if not math.isfinite(square):
            A.require_finite(Aq, q)
        self.residual_norm = math.sqrt(square) if SAFE_SQUARES[0] < square < SAFE_SQUARES[1] else norm2(w)
        if not (math.isfinite(alpha) and math.isfinite(self.residual_norm)):
            raise RepresentationError(f"step {self.k + 1}: alpha or beta overflows {self.dtype}: scale A down")
        if self.M is not None and (size := norm2(q)):
            self.norm_A = max(self.norm_A, norm2(Aq) / size)
        self._alpha[self.k] = alpha
        self.k += 1

    def _close(self, w: np.ndarray) -> float:
        """β_{j+1}, once w_j is reorthogonalized.   Writes w, and M w in the row of q_{j+1}."""
        j = self.k
        beta = self._keep_beta(w)
        self.scale = max(self.scale, min(math.hypot(self._beta[j - 1], self._alpha[j - 1], beta), sys.float_info.max))
        if j == 1 or self.scale > self.unit * 2.0**400:
            # a power of two near ‖A‖: LAPACK and the QL iteration want T of moderate size
            self.unit = math.ldexp(1.0, min(max(math.frexp(self.scale)[1], -1020), 1020))
        if self.M is None:
            self.norm_A = self.scale
        self.columns.append(_NOTHING)
        if self.watch:
            self._observe(w)
        return self._reorthogonalized(w, beta)

    def _reorthogonalized(self, w: np.ndarray, beta: float) -> float:
        """β_{j+1} of the w_j that the mode leaves; is it rounding?   Writes w, and M w in the row of q_{j+1}."""
        changed = self._rule.apply(self, w, beta)
        if self._rule.one_operator and beta <= 16 * math.sqrt(self.unit_roundoff) * self.scale:
            self.orthogonalize_full(w)  # cancellation has magnified what semi-orthogonality leaves
            changed = True
        if changed:
            self.n_reorthogonalized += 1
            self.residual_norm = norm2(w)
            beta = self._keep_beta(w)
        self.breakdown = beta <= (self.n + 10) * self.unit_roundoff * self.scale
        return beta

    def _keep_beta(self, w: np.ndarray) -> float:
        """β_{j+1} = ‖w_j‖; with a preconditioner √(w_jᴴM w_j), and M w_j written in the row of q_{j+1}."""
        M, beta = self._preconditioner, self.residual_norm
        self._beta[self.k] = beta = beta if M is None else M.apply(w, self._basis.q(self.k + 1))
        return beta

    def _divide(self, j: int, beta: float) -> None:
        """q_j = w_{j−1}/β_j, or zeros at breakdown."""
        if self.breakdown:
            self._basis.clear(j)
            return
        self._basis.divide(j, beta)
        if self.M is not None and not self._basis.holds_numbers(j):
            raise RepresentationError(f"step {j - 1}: q, normalized by M, leaves the range of {self.dtype}: scale M")

    def _observe(self, w: np.ndarray) -> None:
        """q_{j−1}ᴴw_j = q_{j−1}ᴴA q_j − β_j, and Im q_jᴴw_j = Im q_jᴴA q_j, before anything is taken out of w_j."""
        j = self.k
        h = parallel.coefficients(self._basis.rows(max(j - 1, 1), j)[0], w)
        self.defects.append(max(abs(float(h[-1].imag)), abs(complex(h[0])) if j > 1 else 0.0))

    # -- what reorthogonalization asks of it -----------------------------------------------

    def orthogonalize_full(self, w: np.ndarray) -> None:
        """w ← w − P(Qᴴw), twice; the coefficients are added to column j of H.   Writes w."""
        self._project(w, 1)
        self._project(w, 1)

    def orthogonalize_local(self, w: np.ndarray) -> None:
        """w ← w − P(Qᴴw) for the last two basis vectors.   Writes w."""
        first = max(self.k - 1, 1)
        if self.store:
            self._project(w, first)
        else:
            for j in range(first, self.k + 1):
                fused.subtract(w, *self._basis.rows(j, j))

    def _project(self, w: np.ndarray, first: int) -> None:
        h = fused.subtract(w, *self._basis.rows(first, self.k))
        total = np.zeros(self.k, dtype=h.dtype)
        total[: self.columns[-1].size] = self.columns[-1]
        total[first - 1 :] += h
        self.columns[-1] = total

    def project(self, r: np.ndarray) -> np.ndarray:
        """Q_kᴴ r, shape (k,), summed in float64."""
        return parallel.coefficients(self._basis.rows(1, self.k)[0], r)

    def ritz_vectors(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """The Ritz vectors Q_k s of the eigenvalues first … last (ascending) of T_k, one a row, and duals P_k s."""
        S = self.ritz_coefficients(first, last)
        Q, P = self._basis.rows(1, self.k)
        vectors = np.stack([parallel.combination(Q, s) for s in S.T])
        return vectors, vectors if self.M is None else np.stack([parallel.combination(P, s) for s in S.T])

    def ritz_coefficients(self, first: int, last: int) -> np.ndarray:
        """The eigenvectors s, one a column, of the eigenvalues first … last (ascending) of T_k."""
        return eigenvectors(self.alpha / self.unit, self.beta[:-1] / self.unit, first, last)

    def combine_into(self, S: np.ndarray, rows: np.ndarray, vectors: np.ndarray, duals: np.ndarray | None) -> None:
        """Q_k s, and where wanted P_k s, for the columns s of S, Q being read once.   Writes these rows of both."""
        Q, P = self._basis.rows(1, self.k)
        fused.combine_into(Q, S, rows, vectors)
        if duals is not None:
            fused.combine_into(P, S, rows, duals)

    def combine(self, s: np.ndarray) -> np.ndarray:
        """Q_j s for the first j = s.size ≤ k basis vectors, shape (n,)."""
        return parallel.combination(self._basis.rows(1, s.size)[0], s)
