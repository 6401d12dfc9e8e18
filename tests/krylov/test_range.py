"""Systems of one to three unknowns all over the floating-point range: exceptions of this package, and no NaN."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import ArgumentError, LancbioError, LanczosProcess, Linearization, lanczos, lanczos_solve
from lancbio_ref.inverse import STRATEGIES
from lancbio_ref.krylov.bounds import cg_coefficients, gauss_lower, gauss_radau_upper
from lancbio_ref.krylov.equilibration import scaled_solve
from lancbio_ref.krylov.scaling import root_of_product
from lancbio_ref.operators import CheckedOperator, as_operator

MODES = ("full", "selective", "partial", "local", "none")


def numbers(dtype):
    low, high = (-149, 110) if dtype == np.float32 else (-1074, 1000)
    size = st.builds(
        lambda m, e, sign: sign * float(np.ldexp(dtype(m), e)),
        st.floats(0.5, 1, width=32),
        st.one_of(st.integers(-3, 3), st.integers(low, high)),
        st.sampled_from([1, 1, 1, -1]),
    )
    return st.one_of(st.just(0.0), size)


@st.composite
def systems(draw):
    dtype, n = draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = (-145, 100) if dtype == np.float32 else (-1060, 960)

    def vector():
        if draw(st.booleans()):
            return np.array([draw(numbers(dtype)) for _ in range(n)], dtype)
        return np.ldexp(rng.standard_normal(n).astype(dtype), draw(st.integers(low, high)))

    def matrix():
        kind = draw(st.integers(0, 2))
        if kind == 0:
            A = np.array([[draw(numbers(dtype)) for _ in range(n)] for _ in range(n)], dtype)
        elif kind == 1:
            A = np.diag([abs(draw(numbers(dtype))) for _ in range(n)]).astype(dtype)
        else:
            S = rng.standard_normal((n, n)).astype(dtype)
            A = np.ldexp(S @ S.T, draw(st.integers(low, high)))
        return np.tril(A) + np.tril(A, -1).T

    return matrix(), vector(), draw(st.sampled_from([None, matrix()])), draw(st.sampled_from([None, vector()]))


def operator(A, wrapped):
    return aslinearoperator(A) if wrapped else A


def is_finite(*values):
    return all(np.isfinite(np.asarray(value)).all() for value in values)


@given(systems(), st.sampled_from(MODES), st.sampled_from([None, 1, 2]), st.booleans())
def test_lanczos_solve(system, mode, restart, wrapped):
    A, b, M, x0 = system
    options = dict(rtol=1e-8, reorthogonalization=mode, M=M, maxiter=20, restart=restart)
    try:
        x, info = lanczos_solve(operator(A, wrapped), b, x0, **options)
    except LancbioError:
        return
    assert is_finite(x) and isinstance(info, int)


@given(systems(), st.sampled_from(sorted(STRATEGIES)), st.sampled_from([0.0, 1e-8, 1e-300]), st.booleans())
def test_strategies(system, name, rtol, wrapped):
    A, b, M, v0 = system
    point = Linearization(operator(A, wrapped), np.ones((1, b.size), A.dtype), b, np.zeros(1, A.dtype), M=M)
    try:
        found = STRATEGIES[name]()(point, v0, rtol=rtol, maxiter=20)
    except LancbioError:
        return
    arrays = (found.v, found.residual, found.direction, found.suspect)
    assert is_finite(*(a for a in arrays if a is not None)) and not np.isnan(found.condition_estimate)


@given(systems())
def test_row_scaled_solves(system):
    A, b, _, x0 = system
    try:
        found = scaled_solve(CheckedOperator(as_operator("A", A), "A"), b, x0, tolerance=1e-300, maxiter=20)
    except LancbioError:
        return
    assert is_finite(found.x, found.residual, found.curvature)


@given(systems(), st.sampled_from(MODES), st.integers(1, 4), st.booleans())
def test_the_process_with_a_preconditioner(system, mode, steps, wrapped):
    A, b, M, _ = system
    try:
        process = LanczosProcess(b, reorthogonalization=mode, M=None if M is None else aslinearoperator(M))
        for _ in range(steps):
            if not process.breakdown:
                process.step(operator(A, wrapped))
    except LancbioError:
        return
    assert is_finite(process.Q, process.alpha, process.beta, process.q_next, process.scale, process.norm_A)


@given(systems(), st.sampled_from(MODES), numbers(np.float64))
def test_lanczos_and_what_is_estimated_from_it(system, mode, mu):
    A, b, _, _ = system
    try:
        run = lanczos(A, b, 3, reorthogonalization=mode, check_symmetry=True)
    except LancbioError:
        return
    assert is_finite(run.Q, run.alpha, run.beta, run.q_next, run.asymmetry)
    gamma, squares = cg_coefficients(run.alpha, run.beta, run.start_norm)
    upper = gauss_radau_upper(run.alpha, run.beta, run.start_norm, abs(mu) or 1.0)
    assert not any(np.isnan(values).any() for values in (gamma, squares, upper))
    assert is_finite(gauss_lower(run.alpha, run.beta, run.start_norm, delay=1))


def test_a_preconditioner_of_a_system_whose_start_is_far_away():
    """wᴴMw overflows for the first residual, 2^590 times the size of b."""
    point = Linearization([[1e-51]], [[1.0]], [1e-230], [0.0], M=[[1e51]])
    found = point.hypergradient(v0=[0.1], maxiter=100)
    assert found.success and found.v == pytest.approx([1e-179], rel=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e-51, 1.0, 1e51, 1e200])
def test_a_preconditioner_far_from_one_changes_no_iterate(size):
    A, b = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]]), np.array([1.0, 2, 3])
    M = np.diag(1 / np.diag(A))
    plain, _ = lanczos_solve(A, b, M=M, maxiter=2, rtol=0)
    x, _ = lanczos_solve(A, b, M=size * M, maxiter=2, rtol=0)
    np.testing.assert_allclose(x, plain, rtol=1e-13)
    x, info = lanczos_solve(A / size, b, M=size * M, rtol=1e-12)
    assert info == 0 and x / size == pytest.approx(np.linalg.solve(A, b), rel=1e-10)


@pytest.mark.parametrize("i, j", [(600, 600), (-600, -600), (900, -1000), (1000, -401), (-540, 1), (0, 3)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_root_of_a_product_that_overflows(i, j, sign):
    w, z = np.ldexp([3.0, 0.0], i), sign * np.ldexp([3.0, 5.0], j)
    root, negative = root_of_product(w, z)
    assert root == pytest.approx(3 * math.exp2((i + j) / 2), rel=1e-14) and negative == (sign < 0)


@pytest.mark.parametrize("power", [-1000, -590, 590, 900])
def test_a_preconditioned_process_scales_with_its_start(power):
    M = aslinearoperator(2.0**100 * np.diag([1.0, 2.0]))
    plain, found = (LanczosProcess(np.ldexp([1.0, 1.0], p), M=M) for p in (0, power))
    assert found.start_norm == pytest.approx(math.ldexp(plain.start_norm, power), rel=1e-15)
    for process in (plain, found):
        process.step(np.diag([3.0, 5.0]))
    assert found.alpha == pytest.approx(plain.alpha, rel=1e-14)


def test_a_complex_start_of_a_real_system_is_refused():
    for x0 in (np.array([1j, 0]), np.array([1e300, 0])):
        with pytest.raises(ArgumentError, match="x0"):
            lanczos_solve(np.eye(2, dtype="f"), np.ones(2, "f"), x0)
