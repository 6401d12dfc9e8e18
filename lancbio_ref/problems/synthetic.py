"""The synthetic problem of the LancBiO paper (Yang, Gao, Yuan, ICLR 2025, section 5), n_x = n_y = n.

    f(x, y) = 0.1 cos(Σ a_i x_i y_i) + ½‖d ∘ x − y‖²
    g(x, y) = γ Σ sin(x_i + y_i) + log Σ exp(x_i y_i) + ½ yᵀ(diag(e) + G) y

With p = softmax(x ∘ y):

    ∇_y g = γ cos(x + y) + x ∘ p + e ∘ y + G y,     ∇_x g = γ cos(x + y) + y ∘ p
    ∇²_yy g = G + diag(e − γ sin(x + y) + x² ∘ p) − (x ∘ p)(x ∘ p)ᵀ
    ∇²_xy g = diag(−γ sin(x + y) + p + x ∘ y ∘ p) − (y ∘ p)(x ∘ p)ᵀ

diag(p) − p pᵀ is a covariance matrix: semidefinite, so that the middle terms take at most γ from the curvature of G
and e, and at most ½ max x_i² is added. Hence, for every y,

    μ = λ_min(G) + min e − γ,     L = λ_max(G) + max e + γ + ½ max x_i².
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, eigh
from scipy.sparse.linalg import LinearOperator

from ..arguments import Seed, as_array, as_generator, as_integer, as_number, as_vector
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..linearization import Linearization
from ..operators import DenseOperator, DiagonalLowRank, PrescribedSpectrum, as_operator, structure_of
from ..operators.convert import is_array_like
from ..operators.proofs import certify_mu, rayleigh_quotient
from ..parallel import blockwise, dot
from ..problem import BilevelProblem, LowerLevel, UpperLevel, finite
from ..rounding import Proven, smallest_normal, unit_roundoff
from ..rounding import gamma as gamma_of
from .elementary import softmax
from .rounding import synthetic_errors


class Synthetic(BilevelProblem):
    """What :func:`synthetic` and :func:`synthetic_from_arrays` return: the problem and its data.

    Parameters
    ----------
    coef, scale_x, ridge : ndarray, shape (n,)
        a, d, e.
    G : LinearOperator, shape (n, n)
    gamma : float
    lowest, norm : float or None
        Bounds λ_min(G) ≥ lowest and ‖G‖₂ ≤ norm, as far as they are known; what follows from a Proven one is Proven.
    mu : float or None
        The caller's modulus; worked out from `lowest` where None.

    Notes
    -----
    *Rounding of the bounds.* μ and L hold for the exact second derivatives and for the floating-point A in hand
    alike. The computed p̂ has Σ p̂ ≤ 1 + γ_{n+1}, whatever the error of the exponential, so diag(x²∘p̂) −
    (x∘p̂)(x∘p̂)ᵀ ⪰ −2γ_{n+1} max x²; each entry of the diagonal and of x∘p̂ adds a few u(|e_i| + γ + x_i²). The sum
    is below γ_{2n+64}(max|e| + γ + max x²), which is taken off μ and added to L, each evaluated at the x in hand.

    *Lipschitz constants.* Those of f and of ∇²_xy g grow with ‖x‖, and none holds for all x; so there are none here.
    """

    def __init__(
        self,
        coef: np.ndarray,
        scale_x: np.ndarray,
        ridge: np.ndarray,
        G: LinearOperator,
        gamma: float,
        *,
        lowest: float | None = None,
        norm: float | None = None,
        mu: float | None = None,
    ) -> None:
        self.coef, self.scale_x, self.ridge, self.G, self.gamma = coef, scale_x, ridge, G, gamma
        self.n_x = coef.size
        self.dtype = np.result_type(coef, scale_x, ridge, *([] if G.dtype is None else [G.dtype]))
        self._lowest, self._norm = lowest, norm
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            grad_y=self._g_grad_y,
            hessian=self._hessian,
            cross=self._cross,
            value=self._g,
            grad_x=self._g_grad_x,
            mu=self._modulus if mu is None else mu,
            smoothness=self._smoothness,
            cross_norm=self._cross_norm,
        )
        super().__init__(upper, lower, n_y=self.n_x)

    def initial_point(self, rng: Seed = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x_0, y_0, v_0 ~ N(0, I), each of shape (n,), as in the paper."""
        rng = as_generator(rng)
        return rng.standard_normal(self.n_x), rng.standard_normal(self.n_x), rng.standard_normal(self.n_x)

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) at (x, y) from one softmax."""
        x, y = self.promoted(x, y)
        p, shape = softmax(x * y), (y.size, y.size)
        J = self._cross(x, y, p)
        make = Linearization if self._lends else Linearization.of_parts  # which looks at nothing again
        return make(
            self._operator("lower.hessian", lambda x, y: self._hessian(x, y, p), x, y, shape),
            self._operator("lower.cross", lambda x, y: J, x, y, shape),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self._vector("lower.grad_y", lambda x, y: self._g_grad_y(x, y, p), x, y, y.size),
            mu=lambda: self.lower_bound("mu", x, y),
            smoothness=lambda: self.lower_bound("smoothness", x, y),
            cross_norm=lambda: finite(J.norm_bound()),
            lipschitz=self.lipschitz,
            at=(x, y),
            formation=synthetic_errors(self, x, y),
        )

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """See :mod:`lancbio_ref.problems.rounding.synthetic`."""
        return synthetic_errors(self, *self.promoted(x, y))

    # -- the upper level -------------------------------------------------------------------

    def _angle(self, x: np.ndarray, y: np.ndarray) -> float:
        """Σ a_i x_i y_i; NaN where it overflows, for an infinite angle has no sine."""
        angle = dot(self.coef, x * y)
        return angle if math.isfinite(angle) else math.nan

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        r = self.scale_x * x - y
        return 0.1 * math.cos(self._angle(x, y)) + 0.5 * dot(r, r)

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        sine = math.sin(self._angle(x, y))
        return blockwise(lambda a, d, x, y: -0.1 * sine * a * y + d * (d * x - y), self.coef, self.scale_x, x, y)

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        sine = math.sin(self._angle(x, y))
        return blockwise(lambda a, d, x, y: -0.1 * sine * a * x - (d * x - y), self.coef, self.scale_x, x, y)

    # -- the lower level, with p = softmax(x ∘ y), made here where it is not given ----------

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        z = x * y
        log_sum_exp = z.max() + math.log(np.exp(z - z.max()).sum())
        quadratic = 0.5 * dot(y, self.ridge * y + self.G.matvec(y))
        return self.gamma * float(np.sin(x + y).sum()) + float(log_sum_exp) + quadratic

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.gamma * np.cos(x + y) + y * softmax(x * y)

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray, p: np.ndarray | None = None) -> np.ndarray:
        p = softmax(x * y) if p is None else p
        Gy = self.G.matvec(y)
        return blockwise(
            lambda x, y, p, e, Gy: self.gamma * np.cos(x + y) + x * p + e * y + Gy, x, y, p, self.ridge, Gy
        )

    def _hessian(self, x: np.ndarray, y: np.ndarray, p: np.ndarray | None = None) -> DiagonalLowRank:
        p = softmax(x * y) if p is None else p
        d = blockwise(lambda x, y, p, e: e - self.gamma * np.sin(x + y) + x * x * p, x, y, p, self.ridge)
        return DiagonalLowRank(d, U=(x * p)[:, None], s=[-1.0], base=self.G)

    def _cross(self, x: np.ndarray, y: np.ndarray, p: np.ndarray | None = None) -> DiagonalLowRank:
        p = softmax(x * y) if p is None else p
        d = blockwise(lambda x, y, p: -self.gamma * np.sin(x + y) + p + x * y * p, x, y, p)
        return DiagonalLowRank(d, U=(y * p)[:, None], s=[-1.0], V=(x * p)[:, None])

    # -- bounds ----------------------------------------------------------------------------

    def _modulus(self, x: np.ndarray, y: np.ndarray) -> float | None:
        """λ_min(G) + min e − γ, less the rounding of A; None where that proves nothing."""
        if self._lowest is None:
            return None
        mu = self._lowest + float(self.ridge.min()) - self.gamma - self._rounding(x, y, self._lowest)
        return type(self._lowest)(mu) if mu > 0 else None

    def _smoothness(self, x: np.ndarray, y: np.ndarray) -> float | None:
        """‖G‖ + max|e| + γ + ½ max x², and the rounding of A; None where ‖G‖ is not known."""
        if self._norm is None:
            return None
        largest = float(np.abs(self.ridge).max()) + self.gamma + 0.5 * _largest_square(x)
        L = self._norm + largest + self._rounding(x, y, self._norm)
        return type(self._norm)(L) if math.inf > L else None

    def _cross_norm(self, x: np.ndarray, y: np.ndarray) -> Proven | None:
        return finite(self._cross(x, y).norm_bound())

    def _rounding(self, x: np.ndarray, y: np.ndarray, of_G: float) -> float:
        u = max(unit_roundoff(x.dtype), unit_roundoff(y.dtype))
        # G itself is exact; its bound only takes part in float64 sums here
        size = abs(of_G) * 2.0**-53 / u + float(np.abs(self.ridge).max()) + self.gamma + _largest_square(x)
        return gamma_of(2 * self.n_x + 64, u) * size + self.n_x * smallest_normal(np.float64)


def _largest_square(x: np.ndarray) -> float:
    """max x_i², infinite where that overflows."""
    largest = float(np.abs(x).max())
    return largest * largest


def synthetic(
    n: int,
    condition: float,
    *,
    gamma: float = 0.5,
    matrix_free: bool = False,
    rotation: str = "cosine",
    rng: Seed = None,
) -> Synthetic:
    """The paper's synthetic problem: a ~ U(−5, 5), d ~ U(0.1, 1.1), e ~ γ U(0, 1), G = Q diag(linspace(1, κ, n)) Qᵀ.

    Parameters
    ----------
    n : int
    condition : float
        κ ≥ 1, the largest eigenvalue of G.
    gamma : float
        γ ≥ 0; g is strongly convex in y where γ < 1.
    matrix_free : bool
        False: Q is the orthogonal factor of a Gaussian matrix and G is dense, 8n² bytes, and O(n³) operations here and
        now. True: Q is a fast orthogonal transform (:class:`~lancbio_ref.operators.PrescribedSpectrum`); no matrix is
        formed, a product costs O(n log n) or O(n), and n = 10⁶ is possible.
    rotation : {"cosine", "householder"}
        Of the matrix-free Q: two signed cosine transforms, or two reflections, which are cheaper and mix less.
    rng : None, int or numpy.random.Generator

    Returns
    -------
    Synthetic
        Dense: `mu`, `smoothness` and `cross_norm` are proven; λ_min and λ_max of the G that was formed come from two
        Cholesky factorizations (Rump 2006), and `mu` is None where n²κ is so large that these show nothing.
        Matrix-free: only `cross_norm` is. The spectrum of the operator in hand is linspace(1, κ, n) up to the rounding
        of four transforms, for which 16 u log₂(2n) κ is allowed. That is not proven, and no certificate says so.

    Raises
    ------
    ArgumentError
        n < 1, κ < 1, γ < 0, `matrix_free` that is no bool.

    Examples
    --------
    >>> from lancbio_ref import problems
    >>> problem = problems.synthetic(20, 100.0, rng=0)
    >>> x, y, v = problem.initial_point(rng=1)
    >>> problem.check(x, y, rng=2).ok
    True
    >>> float(round(problem.lower.mu(x, y) - problem.ridge.min(), 9))  # λ_min(G) − γ
    0.5
    >>> problems.synthetic(10**5, 100.0, matrix_free=True, rng=0).n_x
    100000
    """
    n, condition = as_integer("n", n, least=1), as_number("condition", condition, least=1.0)
    gamma, rng = as_number("gamma", gamma, least=0.0), as_generator(rng)
    if not isinstance(matrix_free, bool):
        raise ArgumentError("matrix_free", repr(matrix_free), "True or False")
    coef, scale_x = rng.uniform(-5, 5, n), rng.uniform(0.1, 1.1, n)
    ridge = gamma * rng.uniform(0, 1, n)
    spectrum = np.linspace(1.0, condition, n)
    lowest: float
    norm: float
    G: LinearOperator
    if matrix_free:
        G = PrescribedSpectrum(spectrum, rng, rotation=rotation)
        rounding = 16 * 2.0**-53 * math.log2(2 * n) * condition
        lowest, norm = 1.0 - rounding, float(spectrum[-1]) + rounding
    else:
        Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
        dense = (Q * spectrum) @ Q.T
        dense = (dense + dense.T) / 2
        G = DenseOperator(dense)
        lowest, norm = proven_ends(dense, 1.0, float(spectrum[-1]))
    return Synthetic(coef, scale_x, ridge, G, gamma, lowest=lowest, norm=norm)


def synthetic_from_arrays(
    coef: npt.ArrayLike,
    scale_x: npt.ArrayLike,
    ridge: npt.ArrayLike,
    G: npt.ArrayLike,
    gamma: float,
    *,
    mu: float | None = None,
) -> Synthetic:
    """The same problem from its data.

    Parameters
    ----------
    coef, scale_x, ridge : array_like, shape (n,)
        a, d, e.
    G : array_like, sparse matrix or LinearOperator, shape (n, n)
        An array must be symmetric to the bit; its extreme eigenvalues are bounded by proof, in O(n³). Of a sparse
        matrix or an operator the symmetry is taken on trust.
    gamma : float
        γ ≥ 0.
    mu : float, optional
        The modulus of g(x, ·), used instead of the one worked out; without it a G that is no array leaves `mu` at None.

    Returns
    -------
    Synthetic

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity, an array G that is not symmetric, or one with λ_min(G) + min e − γ ≤
        0: then g need not be convex in y, and the problem may have no meaning.

    Examples
    --------
    >>> from lancbio_ref import problems
    >>> problem = problems.synthetic_from_arrays([1.0, 2.0], [1.0, 1.0], [0.5, 0.5], [[2.0, 0.0], [0.0, 3.0]], 0.5)
    >>> round(float(problem.lower.mu(problem.coef, problem.coef)), 9)  # 2 + ½ − ½
    2.0
    >>> problems.synthetic_from_arrays([1.0], [1.0], [0.0], [[0.25]], 0.5)
    Traceback (most recent call last):
    ...
    lancbio_ref.errors.ArgumentError: G: found lambda_min(G) + min(ridge) - gamma = -0.25, expected a positive number
    """
    coef = as_vector("coef", coef)
    n = coef.size
    scale_x, ridge = as_vector("scale_x", scale_x, n), as_vector("ridge", ridge, n)
    gamma = as_number("gamma", gamma, least=0.0)
    if mu is not None:
        mu = as_number("mu", mu, above=0.0)
    # what is proven below is proven of a copy: the caller may change theirs
    G = np.array(as_array("G", G, "a 2-D array")) if isinstance(G, np.ndarray) or is_array_like(G) else G
    operator = as_operator("G", G, (n, n))
    lowest = norm = None
    if isinstance(operator, DenseOperator):
        if operator.dtype.kind == "c":
            raise ArgumentError("G", f"dtype {operator.dtype}", "a real matrix")
        entries = np.asarray(operator.A, np.float64)
        if not (entries == entries.T).all():
            raise ArgumentError("G", f"|G - Gᵀ| up to {np.abs(entries - entries.T).max():.3g}", "a symmetric matrix")
        try:
            values, vectors = eigh(entries)
        except LinAlgError:
            values = vectors = np.full(1, np.nan)
        if not np.isfinite(values).all():
            raise ArgumentError("G", "a matrix whose eigenvalues LAPACK does not find", "entries of moderate size")
        upper = sum(rayleigh_quotient(DenseOperator(entries), vectors[:, 0].copy(), None))
        if upper + float(ridge.min()) - gamma <= 0:
            found = f"lambda_min(G) + min(ridge) - gamma = {values[0] + float(ridge.min()) - gamma:.4g}"
            raise ArgumentError("G", found, "a positive number")
        lowest, norm = proven_ends(entries, float(values[0]), float(values[-1]))
    elif (structure := structure_of(operator)) is not None:
        norm = Proven(structure.norm_bound())
    return Synthetic(coef, scale_x, ridge, operator, gamma, lowest=lowest, norm=norm, mu=mu)


def proven_ends(G: np.ndarray, smallest: float, largest: float) -> tuple[Proven, Proven]:
    """Proven bounds λ_min(G) ≥ lowest and ‖G‖₂ ≤ norm, from estimates of the extreme eigenvalues."""
    lowest, highest = proven_smallest(G, smallest), -proven_smallest(-G, -largest)
    return Proven(lowest), Proven(min(max(highest, -lowest), DenseOperator(G).norm_bound()))


def proven_smallest(G: np.ndarray, estimate: float) -> float:
    """A proven lower bound of λ_min(G), near `estimate` if that is a good one; −inf where nothing is proven."""
    n = len(G)
    margin = 4 * gamma_of(n + 3, 2.0**-53) * (float(np.abs(np.diag(G)).sum()) + 2 * n * abs(estimate))
    margin += smallest_normal(np.float64)
    for widening in range(6):
        candidate = estimate - margin * 4.0**widening
        if certify_mu(G, candidate):
            return candidate
    return -math.inf
