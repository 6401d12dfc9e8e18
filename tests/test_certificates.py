"""Certificates: every proof is checked against exact arithmetic, every status against what it rests on."""

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CertificateStatus,
    Linearization,
    LipschitzConstants,
    LowerLevel,
    Proven,
    RepresentationError,
    SolveStatus,
    UpperLevel,
    certify_mu,
    hypergradient,
)
from lancbio_ref.certificate import Bound, error_bound, lower_level_bound
from lancbio_ref.operators import as_square
from lancbio_ref.operators.cholesky import spectral_norm_bound
from lancbio_ref.operators.proofs import largest_certified_mu, rayleigh_quotient
from lancbio_ref.rounding import gamma, norm2
from tests.strategies import systems
from validation.truths.exact import nearest, norm, rational, root, smallest_eigenvalue_exceeds

CERTIFIED, GIVEN = CertificateStatus.CERTIFIED, CertificateStatus.GIVEN
ESTIMATED, NONE = CertificateStatus.ESTIMATED, CertificateStatus.NONE


@given(system=systems(max_n=12), factor=st.floats(0.5, 1.5), scale=st.integers(-300, 300))
def test_certify_mu_never_lies(system, factor, scale):
    A = np.ldexp(system.A, scale)
    mu = float(np.linalg.eigvalsh(A)[0] * factor)
    if certify_mu(A, mu):
        assert smallest_eigenvalue_exceeds(A, mu)


@given(system=systems(max_n=12, max_log_kappa=6))
def test_certify_mu_does_not_lie_by_a_hair(system):
    """The largest mu that is certified: without Rump's slack it lies above λ_min about half of the time."""
    values = np.linalg.eigvalsh(system.A)
    width = 1e3 * 2.0**-53 * values[-1]
    low, high = float(values[0] - width), float(values[0] + width)
    for _ in range(30):
        mu = (low + high) / 2
        low, high = (mu, high) if certify_mu(system.A, mu) else (low, mu)
    assert not certify_mu(system.A, low) or smallest_eigenvalue_exceeds(system.A, low)


def test_rayleigh_quotients_come_with_their_rounding():
    A, z = np.array([[1e16, -1e16], [-1e16, 1e16 + 2]]), np.array([0.6, 0.8])
    exact = (rational(z).transpose() * rational(A) * rational(z))[0, 0]
    for operator in (as_square("A", A), black_box(A)):
        value, error = rayleigh_quotient(operator, z, 2e16)
        assert abs(rational([[value]])[0, 0] - exact) <= rational([[error]])[0, 0]
    z = np.array([1.0, 1.0]) / np.sqrt(2)
    value, error = rayleigh_quotient(as_square("A", A), z, None)
    assert error >= 1.0  # the entries cancel: no digit of the quotient is certain


def test_bounds_are_their_formulas():
    constants, gradient, mu, norm_J = (
        LipschitzConstants(2.0, 3.0, 5.0, 7.0),
        *(Bound(b, GIVEN) for b in (0.1, 0.5, 13.0)),
    )
    e = dict(A=0.017, J=0.019, b=0.023, c=0.029)
    formation = {name: Bound(value, CERTIFIED) for name, value in e.items()}
    bound = lower_level_bound(constants, gradient, 11.0, mu, norm_J, formation, pointwise=False)
    rho_y, e_v = 0.1 / 0.5, (e["A"] * 11 + e["b"]) / 0.5
    v, J = 11 + e_v, 13 + e["J"]
    expected = e["c"] + e["J"] * 11 + J * e_v + rho_y * (2 + 5 * v) + (J + 5 * rho_y) / 0.5 * rho_y * (3 + 7 * v)
    assert bound.value == pytest.approx(expected, rel=1e-11) and bound.status == GIVEN
    small = {name: Bound(1e-3 * value, CERTIFIED) for name, value in e.items()}
    found = lower_level_bound(constants, Bound(0.01, GIVEN), 11.0, mu, norm_J, small, pointwise=True)
    at_y = 0.5 - 1e-3 * e["A"]
    root = np.sqrt(at_y**2 - 2 * 7 * 0.01)
    rho_y, e_v = (at_y - root) / 7, 1e-3 * (e["A"] * 11 + e["b"]) / at_y
    v, J = 11 + e_v, 13 + 1e-3 * e["J"]
    expected = (
        1e-3 * (e["c"] + e["J"] * 11) + J * e_v + rho_y * (2 + 5 * v) + (J + 5 * rho_y) / root * rho_y * (3 + 7 * v)
    )
    assert found.value == pytest.approx(expected, rel=1e-9)
    parts = [Bound(0.5, CERTIFIED), Bound(13.0, CERTIFIED), Bound(1e-3, CERTIFIED), Bound(1e-9, CERTIFIED)]
    assert error_bound(*parts, 2.0**-53).value == pytest.approx(13 * 1e-3 / 0.5 + 1e-9, rel=1e-12)
    for i in range(4):
        for status in (GIVEN, ESTIMATED, NONE):
            weaker = [Bound(p.value, status) if i == j else p for j, p in enumerate(parts)]
            assert error_bound(*weaker, 2.0**-53).status == status


@given(system=systems(max_n=12, max_log_kappa=10))
def test_largest_certified_mu_is_valid_and_tight(system):
    mu = largest_certified_mu(system.A)
    assert isinstance(mu, Proven) and smallest_eigenvalue_exceeds(system.A, mu)
    assert mu >= 0.9 * np.linalg.eigvalsh(system.A)[0]


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 7), n=st.integers(1, 7), scale=st.integers(-500, 500))
def test_spectral_norm_bound_is_proven_and_tight(seed, m, n, scale):
    A = np.ldexp(np.random.default_rng(seed).standard_normal((m, n)), scale)
    bound = spectral_norm_bound(A)
    gram = rational(A) * rational(A).transpose()
    # bound² I − AAᵀ is positive definite, exactly: Sylvester on a diagonally shifted rational matrix
    shifted = -1 * gram
    for i in range(m):
        shifted[i, i] += rational([[bound]])[0, 0] ** 2
    for k in range(m):
        assert shifted[k, k] > 0
        for i in range(k + 1, m):
            for j in range(k + 1, m):
                shifted[i, j] -= shifted[i, k] * shifted[k, j] / shifted[k, k]
    assert bound <= 1.0001 * np.linalg.norm(np.ldexp(A, -scale), 2) * 2.0**scale


def test_certify_mu_wants_a_symmetric_array():
    with pytest.raises(ArgumentError, match="symmetric to the bit"):
        certify_mu([[2.0, 1.0], [1.0 + 1e-15, 2.0]], 0.5)
    with pytest.raises(ArgumentError, match="an array, a sparse matrix"):
        certify_mu(LinearOperator((2, 2), matvec=lambda v: v, dtype=float), 0.5)
    assert certify_mu(csr_array(np.diag([2.0, 3.0])), 1.9)
    assert not certify_mu([[1.0]], 1.0) and certify_mu([[1.0]], 1 - 1e-14)


def test_bounds_hold_among_subnormal_numbers():
    """b and v* near 1e-313 and ‖J‖ = 3e86: ρ/μ alone would underflow to nothing."""
    point = Linearization([[6.761e7]], [[3.36e86]], [9.66e-313], [0.0])
    for inverse in ("lanczos", "neumann"):
        try:
            found = point.hypergradient(mu="certify", inverse=inverse)
        except RepresentationError:
            continue
        truth = rational([[3.36e86]]) * rational([[6.761e7]]).solve(rational([9.66e-313]))
        assert norm(rational(found.value) + truth) <= found.error_bound
    tiny = Linearization(np.eye(2), np.eye(2), [1e-312, 3e-312], np.zeros(2)).hypergradient(rtol=0.5, mu="certify")
    assert tiny.residual_norm == norm2(np.array([1e-312, 3e-312]) - tiny.v)


def test_norm2_survives_the_ends_of_the_range():
    assert norm2(np.array([3e-170, 4e-170])) == pytest.approx(5e-170, rel=1e-15, abs=0)
    assert norm2(np.array([3e170, 4e170])) == pytest.approx(5e170)
    assert norm2(np.array([3e25, 4e25], dtype=np.float32)) == pytest.approx(5e25)
    assert norm2(np.zeros(3)) == 0 and gamma(2**53, 2.0**-53) == np.inf


# -- the statuses ------------------------------------------------------------------------------


def black_box(A):
    A = np.asarray(A, dtype=float)
    return LinearOperator(A.shape, matvec=lambda v: A @ v, rmatvec=lambda v: A.T @ v, dtype=float)


A, J, B, C = np.array([[4.0, 1], [1, 3]]), np.array([[1.0, 2], [0, 1]]), np.array([1.0, 2]), np.array([0.0, 1])


@pytest.mark.parametrize(
    "options, call, status",
    [
        ({"mu": Proven(2.0)}, {}, CERTIFIED),
        ({"mu": 2.0}, {}, GIVEN),
        ({"mu": Proven(2.0), "cross_norm": 3.0}, {}, GIVEN),
        ({"mu": Proven(2.0), "cross_norm": Proven(3.0)}, {}, CERTIFIED),
        ({}, {"mu": "certify"}, CERTIFIED),
        ({}, {"mu": 2.0}, GIVEN),
        ({}, {"mu": "estimate"}, ESTIMATED),
        ({}, {}, NONE),
    ],
)
def test_weakest_input_decides(options, call, status):
    found = Linearization(A, J, B, C, **options).hypergradient(**call)
    assert found.certificate.error == status
    assert np.isfinite(found.error_bound) == (status != NONE)
    error = np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B)))
    assert error <= found.error_bound + 1e-15
    assert str(status) in str(found)


@pytest.mark.parametrize("which", ["A", "J", "both"])
def test_black_boxes_are_estimated_at_best(which):
    operators = {"A": (black_box(A), J), "J": (A, black_box(J)), "both": (black_box(A), black_box(J))}[which]
    found = Linearization(*operators, B, C, mu=Proven(2.0)).hypergradient(rtol=1e-6)
    assert found.certificate.error == ESTIMATED
    assert np.linalg.norm(found.value - (C - J @ np.linalg.solve(A, B))) <= found.error_bound


def test_black_box_cross_without_adjoint_or_norm_has_no_bound():
    blind = LinearOperator((2, 2), matvec=lambda v: J @ v, dtype=float)
    found = Linearization(A, blind, B, C, mu=2.0).hypergradient()
    assert found.error_bound == np.inf and found.certificate.error == NONE
    found = Linearization(A, blind, B, C, mu=2.0, cross_norm=3.0).hypergradient()
    assert np.isfinite(found.error_bound)


def test_certified_mu_of_a_black_box_is_an_error():
    with pytest.raises(ArgumentError, match="A: found"):
        Linearization(black_box(A), J, B, C).hypergradient(mu="certify")


@given(system=systems(max_n=10, max_log_kappa=6, zero_b=False), log_rtol=st.floats(-8, -1))
def test_error_estimate_is_sharper_than_the_bound_and_of_the_right_size(system, log_rtol):
    point = Linearization(system.A, np.eye(system.n), system.b, np.zeros(system.n))
    found = point.hypergradient(rtol=10**log_rtol, mu="certify")
    if np.isfinite(found.error_estimate):
        assert found.error_estimate <= 1.05 * found.error_bound
        v = rational(system.A).solve(rational(system.b))
        assert norm(rational(found.v) - v) <= found.error_estimate * (1 + 1e-6) + 1e-9 * np.linalg.norm(found.v)


# -- the lower-level bound ---------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), log_error=st.floats(-12, 0))
def test_lower_level_bound_on_quadratics_exactly(seed, log_error):
    """g = ½yᵀAy − yᵀBx, f = ½‖y − t‖²: A, J = −Bᵀ constant, so L_fy = 1 and the rest 0."""
    rng = np.random.default_rng(seed)
    n, n_x = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    R = rng.integers(-4, 5, (n, n)).astype(float)
    H, Bx, t, x = (
        R @ R.T + np.eye(n),
        rng.integers(-4, 5, (n, n_x)).astype(float),
        rng.integers(-3, 4, n) * 1.0,
        np.ones(n_x),
    )
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.5 * (y - t) @ (y - t), lambda x, y: 0 * x, lambda x, y: y - t),
        LowerLevel(lambda x, y: H @ y - Bx @ x, lambda x, y: H, lambda x, y: -Bx.T, mu=Proven(0.999)),
        lipschitz=LipschitzConstants(Proven(0.0), Proven(1.0), Proven(0.0), Proven(0.0)),
    )
    exact_H, exact_B = rational(H), rational(Bx)
    star = exact_H.solve(exact_B * rational(x))
    y = nearest(star) + 10**log_error * rng.standard_normal(n)
    found = hypergradient(problem, x, y, rtol=0)
    assert found.certificate.lower_level == ESTIMATED  # nobody knows how these callables round
    at_y = exact_B.transpose() * exact_H.solve(rational(y) - rational(t))
    truth = exact_B.transpose() * exact_H.solve(star - rational(t))
    assert norm(at_y - truth) <= found.lower_level_bound
    assert norm(rational(found.value) - truth) <= found.error_bound + found.lower_level_bound


@given(x=st.floats(-2, 2), y=st.floats(-4, 4).map(lambda t: round(t, 6)))
def test_lower_level_bound_where_the_hessian_moves(x, y):
    """g = log(1 + e^y) + ½μy² − xy with a small μ; truth by 200-bit bisection in ball arithmetic."""
    mu = 0.05
    s = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.5 * float(y @ y), lambda x, y: 0 * x, lambda x, y: y),
        LowerLevel(
            lambda x, y: s(y) + mu * y - x, lambda x, y: np.diag(s(y) * (1 - s(y)) + mu), lambda x, y: [[-1.0]], mu=mu
        ),
        lipschitz=LipschitzConstants(0.0, 1.0, 0.0, 0.1),  # max|σ''| = 1/(6√3) < 0.1
    )
    found = hypergradient(problem, [x], [y], rtol=0)
    with ctx.workprec(200):
        low, high = arb(-200), arb(200)
        for _ in range(160):
            mid = (low + high) / 2
            gradient = 1 / (1 + (-mid).exp()) + arb(mu) * mid - arb(x)
            low, high = (mid, high) if gradient < 0 else (low, mid)
        sigma = 1 / (1 + (-mid).exp())
        truth = float((mid / (sigma * (1 - sigma) + arb(mu))).mid())
        sigma_y = 1 / (1 + (-arb(y)).exp())
        at_y = float((arb(y) / (sigma_y * (1 - sigma_y) + arb(mu))).mid())
    assert abs(at_y - truth) <= found.lower_level_bound + 1e-40  # what the bisection leaves
    pointwise = hypergradient(problem, [x], [y], rtol=0, mu="certify")
    assert abs(at_y - truth) <= pointwise.lower_level_bound + 1e-40


def test_pointwise_modulus_is_not_used_as_a_global_one():
    """softplus + ½·10⁻³y² at y = 6.5: ‖∇g‖/λ_min(A(y)) is far below |y − y*|; the bound must not be that."""
    mu = 1e-3
    s = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    problem = BilevelProblem(
        UpperLevel(lambda x, y: float(y[0]), lambda x, y: 0 * x, lambda x, y: np.ones(1)),
        LowerLevel(lambda x, y: s(y) + mu * y - x, lambda x, y: np.diag(s(y) * (1 - s(y)) + mu), lambda x, y: [[-1.0]]),
        lipschitz=LipschitzConstants(0.0, 0.0, 0.0, 0.1),
    )
    assert hypergradient(problem, [0.5], [1.0], mu="certify").lower_level_bound == np.inf
    assert np.isfinite(hypergradient(problem, [0.5], [1e-6], mu="certify").lower_level_bound)


# -- a mu to doubt -----------------------------------------------------------------------------


@given(system=systems(max_n=12, max_log_kappa=8), factor=st.floats(0.0, 0.9999))
def test_a_valid_mu_is_never_refuted(system, factor):
    mu = max(float(np.linalg.eigvalsh(system.A)[0] * (1 - 1e-6) * factor), 1e-300)
    point = Linearization(system.A, system.J, system.b, system.c)
    assert point.hypergradient(rtol=0, mu=mu).status != SolveStatus.MU_REFUTED


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1.01, 100))
@pytest.mark.parametrize("inverse", ["lanczos", "exact"])
def test_a_mu_too_large_is_refuted_by_a_vector(inverse, seed, factor):
    rng = np.random.default_rng(seed)
    values = np.linspace(1, 10, 8)
    Q = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    H = (Q * values) @ Q.T
    H = (H + H.T) / 2
    found = Linearization(H, np.eye(8), Q @ np.ones(8), np.zeros(8)).hypergradient(rtol=0, mu=factor, inverse=inverse)
    assert found.status == SolveStatus.MU_REFUTED and found.error_bound == np.inf
    z = rational(found.direction)
    assert (z.transpose() * rational(H) * z)[0, 0] < rational([[factor]])[0, 0] * (z.transpose() * z)[0, 0]
    assert root((z.transpose() * z)[0, 0]) == pytest.approx(1)
    np.testing.assert_allclose(H @ found.v, Q @ np.ones(8), rtol=1e-10)  # the solve itself is fine


def test_entries_given_twice_are_one_entry():
    """1e16 + 1 − 1e16 in one place: A and |A| must be of the same matrix, and the caller's is left alone."""
    J = csr_array(([1e16, 1.0, -1e16], [0, 0, 0], [0, 3]), shape=(1, 1))
    found = Linearization([[1.0]], J, [1 / 7], [0.0]).hypergradient(rtol=0, mu="certify")
    matrix = J.copy()
    matrix.sum_duplicates()
    assert J.nnz == 3
    assert abs(found.value[0] + matrix.toarray()[0, 0] / 7) <= found.error_bound
