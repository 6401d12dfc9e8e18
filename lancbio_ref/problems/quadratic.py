"""Two quadratics: the bilevel problem whose solution is a formula.

    f(x, y) = ½‖y − t‖² + ½ ρ‖x‖²,      g(x, y) = ½ yᵀA y − yᵀ(B x + d)

    ∇_y g = A y − B x − d,   ∇²_yy g = A,   ∇²_xy g = −Bᵀ,   ∇_x g = −Bᵀ y
    y*(x) = A⁻¹(B x + d),    ∇φ(x) = ρ x + Bᵀ A⁻¹(y*(x) − t)

φ is a quadratic with Hessian ρI + Bᵀ A⁻² B; its stationary point solves

    (ρI + Bᵀ A⁻² B) x = Bᵀ A⁻¹ (t − A⁻¹ d).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_solve, solve

from ..arguments import Seed, as_array, as_generator, as_integer, as_number, as_vector
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..operators import DenseOperator
from ..operators.cholesky import cholesky
from ..operators.proofs import exact_matrix, largest_certified_mu
from ..parallel import dot
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
from ..rounding import Proven
from .rounding import quadratic_errors


class Quadratic(BilevelProblem):
    """What :func:`quadratic` and :func:`quadratic_from_arrays` return: the problem, its data and closed forms.

    Attributes
    ----------
    n_x, n_y : int
    A : ndarray, shape (n_y, n_y)
    B : ndarray, shape (n_y, n_x)
        Both read-only: the bounds and the factorization rest on them.
    d, t : ndarray, shape (n_y,)
    rho : float
    """

    def __init__(self, A: npt.ArrayLike, B: npt.ArrayLike, d: npt.ArrayLike, t: npt.ArrayLike, rho: float) -> None:
        A, _ = exact_matrix(DenseOperator(A, name="A"))
        self._A, self._B = DenseOperator(A), DenseOperator(np.array(as_array("B", B, "a 2-D array")), name="B")
        self.A, self.B = self._A.A, self._B.A
        if self.B.dtype.kind == "c":
            raise ArgumentError("B", f"dtype {self.B.dtype}", "a real matrix")
        n_y, self.n_x = self.B.shape
        if len(A) != n_y:
            raise ArgumentError("B", f"shape {self.B.shape}", f"shape ({len(A)}, n_x)")
        self.dtype = np.dtype(np.float64)  # of A, as it is held
        self.d, self.t, self.rho = as_vector("d", d, n_y), as_vector("t", t, n_y), as_number("rho", rho, least=0.0)
        self._factor = cholesky("A", A)
        self._J = DenseOperator(-self.B.T)
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            grad_y=self._g_grad_y,
            hessian=self._g_hessian,
            cross=self._g_cross,
            value=self._g,
            grad_x=self._g_grad_x,
            mu=largest_certified_mu(A),
            smoothness=Proven(self._A.norm_bound()),
            cross_norm=Proven(self._J.norm_bound()),
        )
        zero = Proven(0.0)
        super().__init__(
            upper, lower, lipschitz=LipschitzConstants(fx=zero, fy=Proven(1.0), gxy=zero, gyy=zero), n_y=n_y
        )

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        return 0.5 * (dot(y - self.t, y - self.t) + self.rho * dot(x, x))

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.rho * x

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return y - self.t

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        return dot(y, 0.5 * self._A.matvec(y) - self._B.matvec(x) - self.d)

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return -self._B.rmatvec(y)

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._A.matvec(y) - self._B.matvec(x) - self.d

    def _g_hessian(self, x: np.ndarray, y: np.ndarray) -> DenseOperator:
        return self._A

    def _g_cross(self, x: np.ndarray, y: np.ndarray) -> DenseOperator:
        return self._J

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.quadratic`."""
        return quadratic_errors(self, *self.promoted(x, y))

    def solution(self, x: npt.ArrayLike) -> np.ndarray:
        """y*(x) = A⁻¹(B x + d), shape (n_y,), by the Cholesky factorization: a relative error of about n u κ."""
        return cho_solve(self._factor, self.B @ as_vector("x", x, self.n_x) + self.d)

    def hypergradient(self, x: npt.ArrayLike) -> np.ndarray:
        """∇φ(x) = ρ x + Bᵀ A⁻¹(y*(x) − t), shape (n_x,)."""
        x = as_vector("x", x, self.n_x)
        return self.rho * x + self.B.T @ cho_solve(self._factor, self.solution(x) - self.t)

    def stationary_point(self) -> np.ndarray:
        """The x with ∇φ(x) = 0, shape (n_x,); :class:`ArgumentError` where ρ = 0 leaves it undetermined."""
        S = cho_solve(self._factor, self.B)  #  A⁻¹B
        H = self.rho * np.eye(self.n_x) + S.T @ S
        try:
            return solve(H, S.T @ (self.t - cho_solve(self._factor, self.d)), assume_a="pos")
        except LinAlgError:
            raise ArgumentError("rho", self.rho, "a positive number, or B with independent columns") from None


def quadratic_from_arrays(
    A: npt.ArrayLike, B: npt.ArrayLike, d: npt.ArrayLike, t: npt.ArrayLike, rho: float = 0.0
) -> Quadratic:
    """f = ½‖y − t‖² + ½ρ‖x‖² over g = ½yᵀAy − yᵀ(Bx + d), from data (which may be exact dyadic numbers).

    Parameters
    ----------
    A : array_like, shape (n_y, n_y)
        Positive definite, symmetric to the bit.
    B : array_like, shape (n_y, n_x)
    d, t : array_like, shape (n_y,)
    rho : float
        ρ ≥ 0.

    Returns
    -------
    Quadratic
        Its `mu` is proven by Rump's test, and None where A is too ill-conditioned for that (κ above about 10¹²).

    Raises
    ------
    ArgumentError
        Shapes that do not fit, or A not symmetric or not positive definite.

    Examples
    --------
    >>> from lancbio_ref import problems
    >>> problem = problems.quadratic_from_arrays([[2.0]], [[1.0]], d=[0.0], t=[1.0])
    >>> problem.solution([4.0]), problem.hypergradient([4.0]), problem.stationary_point()
    (array([2.]), array([0.5]), array([2.]))
    """
    return Quadratic(A, B, d, t, rho)


def quadratic(n_x: int, n_y: int, condition: float = 10.0, *, rng: Seed = None) -> Quadratic:
    """A random problem of this kind, with the eigenvalues of A spread geometrically from 1 to `condition`.

    Parameters
    ----------
    n_x, n_y : int
    condition : float
        κ ≥ 1; of A up to the rounding of forming it.
    rng : None, int or numpy.random.Generator

    Returns
    -------
    Quadratic
        With Gaussian B (scaled by n_y^-½), d and t, and ρ = 0.1.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import problems
    >>> problem = problems.quadratic(3, 5, condition=100.0, rng=0)
    >>> x = problem.stationary_point()
    >>> bool(np.abs(problem.hypergradient(x)).max() < 1e-12)
    True
    >>> problem.check(np.ones(3), np.ones(5), rng=0).ok
    True
    """
    n_x, n_y = as_integer("n_x", n_x, least=1), as_integer("n_y", n_y, least=1)
    condition, rng = as_number("condition", condition, least=1.0), as_generator(rng)
    Q, _ = np.linalg.qr(rng.standard_normal((n_y, n_y)))
    A = (Q * np.geomspace(1.0, condition, n_y)) @ Q.T
    B = rng.standard_normal((n_y, n_x)) / np.sqrt(n_y)
    return Quadratic((A + A.T) / 2, B, rng.standard_normal(n_y), rng.standard_normal(n_y), 0.1)
