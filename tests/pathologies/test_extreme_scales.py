"""Data near the ends of the floating-point range: exact answers where they exist, an error where they do not."""

import numpy as np
import pytest

from lancbio_ref import CallableError, RepresentationError, certify_mu, lanczos, lanczos_solve, lower_solution
from tests.pathologies.faulty import INVERSES, MODES, X0, Y0, A, B, C, J, N, operator, point, problem
from tests.thorough import covering

BIG = 2.0**498  # about 1e150


@pytest.mark.parametrize(
    "mode, scale_A, scale_b, kind", covering(MODES, [1 / BIG, 1.0, BIG], [1 / BIG, 1.0, BIG], ["array", "black-box"])
)
def test_solutions_scale(mode, scale_A, scale_b, kind):
    size = scale_b / scale_A
    H = scale_A * A if kind == "array" else operator(lambda v: scale_A * (A @ v))
    x, info = lanczos_solve(H, scale_b * B, rtol=1e-13, reorthogonalization=mode)
    expected, _ = lanczos_solve(A, B, rtol=1e-13, reorthogonalization=mode)
    assert info == 0
    assert x / size == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("scale_b", [1 / BIG, BIG], ids="b{:.0e}".format)
@pytest.mark.parametrize("scale_A", [1 / BIG, BIG], ids="A{:.0e}".format)
def test_hypergradient_and_its_bound_scale(scale_A, scale_b):
    size = scale_b / scale_A
    plain = point(mu=0.9).hypergradient()
    found = point(scale_A * A, b=scale_b * B, c=size * C, mu=0.9 * scale_A).hypergradient()
    assert found.success
    assert found.value / size == pytest.approx(plain.value, rel=1e-9)
    assert found.error_bound / size == pytest.approx(plain.error_bound, rel=0.5)
    assert found.residual_norm <= 1e-10 * scale_b * np.linalg.norm(B)


@pytest.mark.parametrize(
    "scale_A, scale_b", [(2.0**-600, 2.0**600), (2.0**600, 2.0**-600)], ids=["overflow", "underflow"]
)
@pytest.mark.parametrize("mode", MODES)
def test_unrepresentable_solution_is_an_error(mode, scale_A, scale_b):
    with pytest.raises(RepresentationError, match=r"norm of about 2\^-?1[12]\d\d, which float64 cannot represent"):
        lanczos_solve(scale_A * A, scale_b * B, reorthogonalization=mode)


@pytest.mark.parametrize("inverse", ["lanczos", "exact", "neumann"])
def test_unrepresentable_solution_of_a_linearization(inverse):
    with pytest.raises(RepresentationError):
        point(2.0**-600 * A, b=2.0**600 * B).hypergradient(inverse=inverse)


@pytest.mark.parametrize("inverse", INVERSES)
def test_nothing_that_underflows_is_called_a_success(inverse):
    try:
        found = point(2.0**600 * A, b=2.0**-600 * B).hypergradient(inverse=inverse, maxiter=30)
    except RepresentationError:
        return
    assert not found.success and np.isfinite(found.value).all()


def test_conjugate_gradients_that_overflow_do_not_blame_the_operator():
    found = point(2.0**-600 * A, b=2.0**600 * B).hypergradient(inverse="cg")
    assert not found.success and np.isfinite(found.v).all()


@pytest.mark.parametrize("exponent", [-1000, -600, 600, 1000])
@pytest.mark.parametrize("mode", MODES)
def test_lanczos_process_scales_exactly(mode, exponent):
    plain = lanczos(A, B, 6, reorthogonalization=mode)
    found = lanczos(np.ldexp(A, exponent), B, 6, reorthogonalization=mode)
    assert np.ldexp(found.alpha, -exponent) == pytest.approx(plain.alpha, rel=1e-13)
    assert np.ldexp(found.beta, -exponent) == pytest.approx(plain.beta, rel=1e-13)
    assert pytest.approx(plain.Q, abs=1e-12) == found.Q


@pytest.mark.parametrize("exponent", [-1000, 1000])
def test_start_of_extreme_size(exponent):
    plain, found = lanczos(A, B, 6), lanczos(A, np.ldexp(B, exponent), 6)
    assert np.ldexp(found.start_norm, -exponent) == pytest.approx(plain.start_norm, rel=1e-14)
    assert found.alpha == pytest.approx(plain.alpha, rel=1e-13)


def test_tolerances_and_moduli_far_from_the_data():
    x, info = lanczos_solve(A, B / BIG, atol=1e200)
    assert info == 0 and not x.any()
    x, info = lanczos_solve(A, B * BIG, atol=1e-300, rtol=1e-10)
    assert info == 0
    assert not point(2.0**-1000 * A).hypergradient(mu=1e10).success


def test_start_far_larger_than_the_solution():
    with pytest.raises(RepresentationError, match="start from zero"):
        lanczos_solve(A, 2.0**-600 * B, 2.0**600 * np.ones(N))


@pytest.mark.parametrize("value", [1.7e308, 1e308])
def test_entries_at_the_very_end_of_the_range(value):
    try:
        found = point(value * np.eye(N)).hypergradient(mu=value / 2)
    except RepresentationError:
        return
    assert found.value == pytest.approx(C) and np.isfinite(found.v).all()


def test_product_that_overflows_is_named():
    with pytest.raises(CallableError, match=r"A @ v, call 1: returned -?inf"):
        point(np.full((N, N), 1.7e308)).hypergradient()


def test_overflow_of_the_hypergradient_itself():
    with pytest.raises(RepresentationError, match=r"c - J v overflows float64"):
        point(J=np.full((1, N), 1.6e308) * np.sign(np.linalg.solve(A, B)) / N, b=B, c=[-1.7e308]).hypergradient()


@pytest.mark.parametrize("scale", [1 / BIG, BIG])
def test_lower_solution(scale):
    scaled = problem({"lower.hessian": lambda x, y: scale * A, "lower.grad_y": lambda x, y: scale * (A @ y - J.T @ x)})
    found = lower_solution(scaled, X0, Y0, tol=1e-12 * scale)
    assert found.y == pytest.approx(np.linalg.solve(A, J.T @ X0), rel=1e-9)
    assert found.grad_norm <= 1e-12 * scale


@pytest.mark.parametrize("exponent", [-900, 900])
def test_certified_modulus(exponent):
    H = np.ldexp(A, exponent)
    assert certify_mu(H, np.ldexp(0.99999, exponent)) and not certify_mu(H, np.ldexp(1.00001, exponent))


def test_subnormal_right_hand_side():
    b = np.zeros(N)
    b[0] = 5e-324
    x, info = lanczos_solve(np.eye(N), b, rtol=0.5)
    assert info == 0 and np.array_equal(x, b)
