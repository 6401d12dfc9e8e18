"""The rounding inside f, ∇_y g, A, J, b and c: proven for ready problems in every mixture of types, else modelled."""

import math
from itertools import product

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CertificateStatus,
    HyperObjective,
    Linearization,
    LipschitzConstants,
    LowerLevel,
    Proven,
    SolveStatus,
    UpperLevel,
    hypergradient,
    lower_solution,
    problems,
)
from lancbio_ref.certificate import residual_bound
from lancbio_ref.formation import Bound, FormationErrors
from lancbio_ref.operators import DenseOperator
from lancbio_ref.rounding import norm2

CERTIFIED, ESTIMATED = CertificateStatus.CERTIFIED, CertificateStatus.ESTIMATED
TYPES = (np.float32, np.float64)


def ridge_truth(X, t, X_val, t_val, x):
    """(y*, φ, ∇φ) of the ridge problem with these floats, in 300 bits."""
    with ctx.workprec(300):
        matrix = lambda rows: arb_mat([[arb(float(entry)) for entry in row] for row in np.atleast_2d(rows)])  # noqa: E731
        column = lambda v: arb_mat(len(v), 1, [arb(float(entry)) for entry in v])  # noqa: E731
        X, X_val, t, t_val, p = matrix(X), matrix(X_val), column(t), column(t_val), len(x)
        penalty = [arb(float(entry)).exp() for entry in x]
        n, m = X.nrows(), X_val.nrows()
        A = X.transpose() * X * (arb(1) / n)
        for j in range(p):
            A[j, j] += penalty[j]
        y = A.solve(X.transpose() * t * (arb(1) / n))
        r = X_val * y - t_val
        v = A.solve(X_val.transpose() * r * (arb(1) / m))
        phi = sum((r[i, 0] ** 2 for i in range(m)), arb(0)) / (2 * m)
        return [y[j, 0] for j in range(p)], phi, [-penalty[j] * y[j, 0] * v[j, 0] for j in range(p)]


def distance(found, truth):
    with ctx.workprec(300):
        return float(sum(((arb(float(a)) - b) ** 2 for a, b in zip(found, truth, strict=True)), arb(0)).sqrt().upper())


@pytest.mark.parametrize("of_X, of_t, of_x", list(product(TYPES, repeat=3)))
def test_ridge_in_every_mixture_of_types(of_X, of_t, of_x):
    """A float32 x with float64 data was off by 2.2e-9 under a certified 3.4e-15."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        n, m, p = rng.integers(1, 6, 3)
        X, X_val = rng.standard_normal((n, p)).astype(of_X), rng.standard_normal((m, p)).astype(of_X)
        t, t_val = rng.standard_normal(n).astype(of_t), rng.standard_normal(m).astype(of_t)
        x = rng.uniform(-3, 3, p).astype(of_x)
        problem = problems.ridge(X, t, X_val, t_val)
        y, phi, gradient = ridge_truth(X, t, X_val, t_val, x)
        found = hypergradient(problem, x)
        assert found.value.dtype == np.result_type(of_X, of_t, of_x)
        assert found.certificate.error == found.certificate.lower_level == CERTIFIED
        assert distance(found.value, gradient) <= found.error_bound + found.lower_level_bound
        assert found.lower.certificate == CERTIFIED and distance(found.lower.y, y) <= found.lower.error_bound
        at = HyperObjective(problem, accuracy=0.0, relative=0.0, strict=False).evaluate(x)
        assert distance([at.value], [phi]) <= at.value_bound and at.value_certificate == CERTIFIED


def test_data_that_cancel_in_x():
    """B x = 3e10/3 − 7e10/7 + …: the bound of y was 0."""
    problem, x = problems.quadratic_from_arrays([[1.0]], [[1 / 3, 1 / 7]], [0.0], [5.0]), np.array([3e10, -7e10 + 1])
    found = lower_solution(problem, x, tol=0.0)
    with ctx.workprec(200):
        truth = arb(1 / 3) * arb(x[0]) + arb(1 / 7) * arb(x[1])
    assert 1e-9 < distance(found.y, [truth]) <= found.error_bound < 1e-3
    h = hypergradient(problem, x)
    with ctx.workprec(200):
        gradient = [arb(0.0) + arb(1 / 3) * (truth - 5), arb(1 / 7) * (truth - 5)]
    assert distance(h.value, gradient) <= h.error_bound + h.lower_level_bound


def callables(**known):
    """f = ½(y − t)², g = ½eˣy² − y: y* = e⁻ˣ, and J = eˣy moves in y."""
    upper = UpperLevel(lambda x, y: 0.5 * float((y[0] + 10) ** 2), lambda x, y: 0 * x, lambda x, y: y + 10)
    lower = LowerLevel(
        lambda x, y: np.exp(x) * y - 1,
        lambda x, y: np.exp(x)[:, None],
        lambda x, y: (np.exp(x) * y)[:, None],
        mu=1.0,
        cross_norm=2.0,
        smoothness=1.0,
    )
    constants = LipschitzConstants(fx=0.0, fy=1.0, gxy=1.0, gyy=0.0)
    return BilevelProblem(upper, lower, lipschitz=constants, n_y=1, **known)


def test_a_bound_at_a_wrong_v_is_about_the_right_one():
    """With v = 0 for 11, the terms in ‖v‖ need ρ/μ: without it the bound is a fifth of the truth."""
    delta = 1e-3
    found = hypergradient(callables(), [0.0], [1 + delta], inverse=lambda *a, **k: (np.zeros(1), SolveStatus.STALLED))
    truth = delta * (12 + delta)
    assert truth <= found.lower_level_bound <= 3 * truth


def test_a_black_box_is_estimated_and_guarantees_nothing():
    F = HyperObjective(callables())
    F([0.0])
    assert F.last.gradient_bound <= F.last.tolerance and not F.last.guaranteed
    assert F.last.certificate == F.last.value_certificate == ESTIMATED
    assert "not guaranteed (estimated)" in F.last.message
    assert lower_solution(callables(), [0.0], tol=1e-10).certificate == ESTIMATED


def test_whoever_knows_the_rounding_says_so():
    class Known(BilevelProblem):
        def formation_errors(self, x, y):
            return FormationErrors(
                value=1e-12, grad_y=lambda: 1e-13, A=Proven(1e-14), J=Proven(1e-14), b=Proven(1e-14), c=Proven(0.0)
            )

    problem = callables()
    known = Known(problem.upper, problem.lower, lipschitz=problem.lipschitz, n_y=1)
    found = hypergradient(known, [0.0], [1.0])
    assert found.certificate.lower_level == CertificateStatus.GIVEN and 1e-13 < found.lower_level_bound < 1e-10
    assert HyperObjective(known).evaluate([0.0]).guaranteed


def test_bounds_of_formation():
    errors = FormationErrors(A=Proven(0.0), J=math.inf, b=math.nan, c=lambda: 1e-3)
    assert errors.bound("A", 1.0, 5, 1e-16) == Bound(0.0, CERTIFIED)
    assert errors.bound("c", 1.0, 5, 1e-16) == Bound(1e-3, CertificateStatus.GIVEN)
    for name in ("J", "b", "value"):  # an overflow bounds nothing
        assert errors.bound(name, 2.0, 5, 1e-16) == Bound(4 * 15 * 1e-16 * 2.0, ESTIMATED)
    assert errors.bound("J", math.inf, 5, 1e-16) == Bound.of(None)
    assert errors.bound("value", 0.0, 5, 1e-16) == Bound(0.0, ESTIMATED)


def test_a_failed_lower_level_fails_the_hypergradient():
    """g = −½y² − xy is concave; y³ − x is singular at the start."""
    upper = UpperLevel(lambda x, y: float(y[0]), lambda x, y: 0 * x, lambda x, y: np.ones(1))
    concave = LowerLevel(lambda x, y: -y - x, lambda x, y: [[-1.0]], lambda x, y: [[-1.0]], mu=1.0)
    flat = LowerLevel(lambda x, y: y**3 - x, lambda x, y: [[3 * y[0] ** 2]], lambda x, y: [[-1.0]])
    for lower, status in ((concave, SolveStatus.INDEFINITE), (flat, None)):
        problem = BilevelProblem(upper, lower, n_y=1, lipschitz=LipschitzConstants(0.0, 0.0, 0.0, 6.0))
        found = hypergradient(problem, [1.0])
        assert not found.success and found.status == found.lower.status and status in (None, found.status)
        assert found.error_bound == found.lower_level_bound == found.error_estimate == np.inf
        assert found.certificate.error == found.certificate.lower_level == CertificateStatus.NONE
        assert f"lower level       {found.status}" in str(found)
        assert found.lower.error_bound == np.inf and found.lower.certificate == CertificateStatus.NONE


def test_rho_counts_what_underflows():
    """1.5 · 2⁻¹⁰⁸⁰ is 0 in floating point: the residual in hand is 0 and the true one is not."""
    A, v = DenseOperator([[2.0**-540]]), np.array([1.5 * 2.0**-540])
    rho, _ = residual_bound(A, v, np.zeros(1), Bound(1.0, CERTIFIED))
    assert A.matvec(v)[0] == 0 and rho.value >= 2.0**-1074


def test_the_coarsest_array_counts_in_a_black_box():
    """A gradient that came in float32 is known to 2⁻²⁴, whatever else is float64."""
    lipschitz, bounds = LipschitzConstants(1.0, 0.0, 0.0, 0.0), []
    for dtype in TYPES:
        point = Linearization(
            [[1.0]], [[1.0]], [1.0], [1.0], grad_y=np.zeros(1, dtype), mu=1.0, lipschitz=lipschitz, at=(np.ones(1),) * 2
        )
        bounds.append(point.hypergradient().lower_level_bound)
    assert bounds[0] > 1e7 * bounds[1] and bounds[0] > 1e-6


@pytest.mark.parametrize("scale", [1e155, 1e160, 1e200])
def test_designs_whose_squares_overflow(scale):
    """Constants beyond the range are none, not an OverflowError."""
    X = np.array([[1.0, -2.0], [3.0, 0.5], [0.25, 1.0]]) * scale
    for problem in (
        problems.data_cleaning(X, [0, 1, 2], X, [2, 1, 0], n_classes=3),
        problems.logistic(X, [0, 1, 2], X, [2, 1, 0]),
        problems.logistic(X, [0, 1, 1], X, [1, 1, 0]),
    ):
        point = problem.linearize(np.zeros(problem.n_x), np.zeros(problem.n_y))
        assert point.lipschitz is None and norm2(point.b) > 0


@pytest.mark.parametrize("declared", TYPES)
def test_a_black_box_that_computes_in_float32(declared):
    """Two products of ⅓ in float32, in a float64 system: the bound knows 2⁻²⁴, whatever type the operator claims."""
    third = np.float32(1 / 3)
    A = LinearOperator((1, 1), lambda v: third * v.astype(np.float32), dtype=declared)
    point = Linearization(A, [[1.0]], [1.0], [0.0], mu=0.3, smoothness=0.4)
    found = point.hypergradient(rtol=1e-6)
    error = abs(found.value[0] + 1 / float(third))
    assert found.certificate.error == ESTIMATED and error <= found.error_bound and found.error_bound > 1e-7


def test_a_distance_whose_square_underflows():
    """y* = 5e-166 and fy = 1e300: ρ_y² is 0 in floating point, and φ is 1.25e-31."""
    problem = problems.ridge([[1.0]], [1e-165], [[1e150]], [0.0])
    found = HyperObjective(problem, strict=False).evaluate(np.zeros(1))
    _, phi, _ = ridge_truth([[1.0]], [1e-165], [[1e150]], [0.0], [0.0])
    assert distance([found.value], [phi]) <= found.value_bound


def test_a_negative_error_bounds_nothing():
    errors = FormationErrors(A=-1.0, b=-math.inf)
    assert errors["A"] is errors["b"] is None and errors.bound("A", 1.0, 1, 1e-16).status == ESTIMATED


@pytest.mark.parametrize("dtype", TYPES)
def test_logits_that_overflow_are_no_warning(dtype):
    size = 4 * math.sqrt(float(np.finfo(dtype).max))
    X = np.array([[1.0, -2.0], [3.0, 0.5], [0.25, 1.0]], dtype) * dtype(size)
    problem = problems.logistic(X, [0, 1, 2], X, [2, 1, 0])
    errors = problem.formation_errors(np.zeros(2, dtype), np.full(6, size, dtype))
    assert all(errors[name] is None or errors[name] >= 0 for name in ("value", "grad_y", "A", "J", "b", "c"))


def test_more_classes_than_the_proof_of_softmax_allows():
    X = np.ones((2, 1), np.float32)
    with pytest.raises(ArgumentError, match="n_classes: found 1001, expected at most 1000 in float32"):
        problems.logistic(X, [0, 1], X, [0, 1], n_classes=1001)


def test_another_linearization_of_the_same_arrays_rounds_as_coarsely():
    """b in float32 beside float64 data: with another μ, or with the point filled in, u is still that of float32."""
    b = np.ones(2, np.float32)
    point = Linearization(np.eye(2), np.eye(2), b, np.ones(2), grad_y=np.ones(2), mu=0.5)
    again = point.replaced(mu=0.25, at=(np.ones(2), np.ones(2)))
    assert point.coarsest == again.coarsest == 2.0**-24
    assert again.mu == 0.25 and point.mu == 0.5 and again.b.dtype == np.float64


def test_what_another_linearization_knows_is_that_of_the_first_and_evaluated_once():
    class Rough(Linearization):
        @property
        def cross_norm(self):
            return 100.0

    calls = []
    point = Rough(np.eye(2), np.eye(2), [1.0, 2.0], [0.0, 0.0], smoothness=lambda: calls.append(1) or 1.0)
    for _ in range(2):
        found = point.hypergradient(mu=1.0)
        assert found.certificate.cross_norm.value == 100.0
    assert found.error_bound == point.replaced(mu=1.0).hypergradient().error_bound and len(calls) == 1
    point.b = np.array([3.0, -1.0])
    np.testing.assert_allclose(point.hypergradient(mu=1.0).value, [-3.0, 1.0])
