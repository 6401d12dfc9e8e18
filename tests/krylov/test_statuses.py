"""What a status says holds, in exact rationals, of the x that leaves: whatever the scale, the type, the mode."""

import contextlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import LancbioError, Linearization, RepresentationError, SolveStatus, lanczos_solve
from lancbio_ref.inverse import STRATEGIES
from lancbio_ref.krylov import solve
from lancbio_ref.krylov.equilibration import scaled_solve
from lancbio_ref.operators import CheckedOperator, as_operator
from validation.truths.exact import rational

MODES = ("full", "selective", "partial", "local", "none")
TINY = Fraction(1, 10**6)


def exact(values):
    return [Fraction(float(value)) for value in values]


def squares(A, b, x):
    """‖b − A x‖², ‖b‖² and the square of u-free rounding sizes ‖|A||x| + |b|‖², exactly."""
    rows, b, x = [exact(row) for row in A], exact(b), exact(x)
    products = [[a * t for a, t in zip(row, x, strict=True)] for row in rows]
    residual = [c - sum(row) for c, row in zip(b, products, strict=True)]
    sizes = [abs(c) + sum(map(abs, row)) for c, row in zip(b, products, strict=True)]
    return (sum(t * t for t in vector) for vector in (residual, b, sizes))


def is_met(A, b, x, rtol, dtype):
    """‖b − A x‖ ≤ rtol‖b‖(1 + tiny) + 2(n + 3)u‖|A||x| + |b|‖: what rounding may hide of the residual; no underflow."""
    residual, right, sizes = squares(A, b, x)
    u = Fraction(float(np.finfo(dtype).eps)) / 2
    asked, rounding = Fraction(rtol) ** 2 * right * (1 + TINY) ** 2, (2 * (len(b) + 3) * u) ** 2 * sizes
    # √r ≤ √a + √e  ⇔  r ≤ a + e or (r − a − e)² ≤ 4 a e
    return residual <= asked + rounding or (residual - asked - rounding) ** 2 <= 4 * asked * rounding


@st.composite
def scaled_systems(draw):
    """A definite A and a b, entry by entry or as a whole at the ends of the range, of both types."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    low, high = (-149, 120) if dtype == np.float32 else (-1074, 1000)
    n, rng = draw(st.integers(1, 3)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    exponents = sizes = st.integers(low, high)
    if draw(st.booleans()):  # a moderate A, and an x that rounds to subnormal numbers
        exponents, sizes = st.integers(0, 25), st.integers(low + 15, low + 45)
    if draw(st.booleans()):
        A = np.diag([np.ldexp(dtype(rng.uniform(1, 2)), draw(exponents)) for _ in range(n)])
    else:
        S = rng.standard_normal((n, n))
        A = np.ldexp((np.eye(n) + S @ S.T).astype(dtype), draw(exponents))
        A = np.tril(A) + np.tril(A, -1).T
    together = draw(st.booleans())
    shift = draw(sizes)
    b = [np.ldexp(dtype(rng.standard_normal()), shift if together else draw(sizes)) for _ in range(n)]
    return A.astype(dtype), np.array(b, dtype), draw(st.sampled_from([0.0, 1e-300, 1e-10, 1e-8, 1e-4, 0.5]))


def is_sound(A, b, x, status, rtol):
    assert np.isfinite(x).all()
    return status != SolveStatus.CONVERGED or is_met(A, b, x, rtol, A.dtype)


@given(scaled_systems(), st.sampled_from(MODES), st.booleans(), st.booleans())
def test_success_of_a_solve_is_true(system, mode, wrapped, preconditioned):
    A, b, rtol = system
    M = None
    if preconditioned:
        with np.errstate(over="ignore"):
            M = np.diag((1 / np.diag(A)).astype(A.dtype))
        M = M if np.isfinite(M).all() else None
    operator = aslinearoperator(A) if wrapped else A
    try:
        x, info = lanczos_solve(operator, b, rtol=rtol, reorthogonalization=mode, M=M, maxiter=30)
    except LancbioError:
        return
    assert is_sound(A, b, x, SolveStatus.CONVERGED if info == 0 else SolveStatus.STALLED, rtol)
    assert info != -1  # A is definite


@given(scaled_systems(), st.sampled_from(sorted(STRATEGIES)), st.booleans())
def test_success_of_a_strategy_is_true(system, name, wrapped):
    A, b, rtol = system
    operator = aslinearoperator(A) if wrapped else A
    point = Linearization(operator, np.ones((1, b.size), A.dtype), b, np.zeros(1, A.dtype))
    try:
        found = STRATEGIES[name]()(point, None, rtol=rtol, maxiter=30)
    except LancbioError:
        return
    assert is_sound(A, b, found.v, found.status, rtol)
    assert found.status != SolveStatus.INDEFINITE


@given(scaled_systems())
def test_success_of_a_row_scaled_solve_is_true(system):
    A, b, _ = system
    tolerance = 1e-8 * float(np.abs(b).max())
    try:
        found = scaled_solve(CheckedOperator(as_operator("A", A), "A"), b, tolerance=tolerance, maxiter=30)
    except LancbioError:
        return
    asked = Fraction(tolerance)
    if found.status == SolveStatus.CONVERGED and any(b):
        residual, _, sizes = squares(A, b, found.x)
        rounding = (8 * (b.size + 3) * Fraction(float(np.finfo(A.dtype).eps))) ** 2 * sizes
        assert residual <= 2 * (asked**2 * (1 + TINY) + rounding)
    assert np.isfinite(found.x).all() and np.isfinite(found.residual).all()


def test_an_answer_that_rounds_to_subnormal_numbers_is_judged_as_it_leaves():
    A, b = np.diag(np.float32([1, 2**20])), np.float32([2**-120, 2**-140])
    found = Linearization(A, np.ones((1, 2), "f"), b, np.float32([0])).hypergradient(rtol=1e-8)
    assert found.status != SolveStatus.CONVERGED and found.residual_norm > 9e-9 * float(np.linalg.norm(b))
    assert lanczos_solve(np.diag([1, 1e15]), [1e-300, 1e-309], rtol=1e-10)[1] > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", MODES)
def test_entries_that_round_to_subnormal_numbers(mode, dtype):
    """Diagonal systems with one entry of x well in the range and others near its end, in many sizes."""
    low = np.finfo(dtype).minexp
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = int(rng.integers(2, 4))
        d = np.ldexp(rng.uniform(1, 2, n), rng.integers(0, 24, n)).astype(dtype)
        x = np.ldexp(rng.uniform(1, 2, n), np.append(low + rng.integers(1, 9), low - rng.integers(10, 30, n - 1)))
        b, rtol = (d * x).astype(dtype), float(10.0 ** rng.uniform(-9, -3))
        try:
            x, info = lanczos_solve(np.diag(d), b, rtol=rtol, reorthogonalization=mode)
        except LancbioError:
            continue
        assert info != 0 or is_met(np.diag(d), b, x, rtol, dtype)


def test_a_product_that_underflows_hides_no_residual():
    """0.7·x and b are the same subnormal number, and 0.7·x is not b."""
    b = np.array([5e-324])
    for mode in MODES:
        with pytest.raises(RepresentationError):
            lanczos_solve([[0.7]], b, rtol=1e-3, reorthogonalization=mode, x0=b)
    for strategy in STRATEGIES.values():
        point = Linearization([[0.7]], [[1.0]], b, [0.0])
        with contextlib.suppress(LancbioError):
            assert strategy()(point, b, rtol=1e-3, maxiter=20).status != SolveStatus.CONVERGED


def test_a_tolerance_that_underflows_is_not_rounded_up():
    b, half = np.array([5e-324]), 0.6  # 0.6·5e-324 rounds to 5e-324, and x = 0 leaves just that
    assert half * b[0] == b[0]
    x, info = lanczos_solve([[1.0]], b, rtol=half)
    assert info == 0 and x == b


def test_a_zero_right_hand_side_is_not_solved_by_a_start_that_underflows():
    x0 = np.array([2.0**-80], "f")
    report = solve(as_operator("A", np.array([[2.0**-100]], "f")), np.zeros(1, "f"), x0, maxiter=5)
    assert report.status == SolveStatus.CONVERGED and not report.x.any()


# -- zero pivots and breakdowns -------------------------------------------------------------------


def curvature(A, z):
    if np.iscomplexobj(z) or np.iscomplexobj(A):
        return float((z.conj() @ A @ z).real)
    z, A = rational(z), rational(A)
    return (z.transpose() * A * z)[0, 0]


@pytest.mark.parametrize("M", [None, np.diag([2.0, 3.0])], ids=["plain", "preconditioned"])
@pytest.mark.parametrize("off", [1.0, 1j, 2.0**600, 2.0**-600], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_a_zero_pivot_is_proven(mode, off, M):
    A = np.array([[0, off], [np.conj(off), 0]])
    M = M if M is None else M.astype(A.dtype)
    assert lanczos_solve(A, [1.0, 0.0], reorthogonalization=mode, M=M)[1] == -1
    b = np.array([1.0, 0.0], A.dtype)
    report = solve(CheckedOperator(as_operator("A", A), "A"), b, rtol=1e-5, maxiter=20, reorthogonalization=mode)
    assert report.status == SolveStatus.INDEFINITE and curvature(A, report.direction) < 0


@given(
    st.integers(2, 6), st.integers(0, 2**32 - 1), st.sampled_from(MODES), st.booleans(), st.booleans(), st.booleans()
)
def test_an_indefinite_matrix_whose_space_shows_it(n, seed, mode, wrapped, is_complex, preconditioned):
    """Small integers with zeros on the diagonal; b = e_1 meets pivots that are exactly 0."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-2, 3, (n, n)).astype(complex if is_complex else float)
    if is_complex:
        A += 1j * rng.integers(-2, 3, (n, n))
    A = np.tril(A, -1) + np.tril(A, -1).conj().T + np.diag(rng.integers(0, 2, n) * rng.integers(0, 4, n))
    A[0, 0], b = 0.0, np.eye(n, dtype=A.dtype)[0]
    M = np.diag(rng.integers(1, 5, n)).astype(A.dtype) if preconditioned else None
    operator = CheckedOperator(aslinearoperator(A) if wrapped else as_operator("A", A), "A")
    found = solve(
        operator, b, rtol=1e-10, maxiter=200, reorthogonalization=mode, M=None if M is None else as_operator("M", M)
    )
    if A[:, 0].any():  # T_2 = [[0, β], [β, α]] is indefinite
        assert found.status == SolveStatus.INDEFINITE and curvature(A, found.direction) < 0
    else:
        assert found.status == SolveStatus.STALLED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_breakdown_does_not_blame_maxiter(name, mode):
    """A is singular along b, and the space ends after a step or two."""
    point = Linearization(np.diag([1.0, 0.0]), np.eye(2), [1.0, 1.0], [0.0, 0.0])
    if name == "lanczos":
        found = point.hypergradient(reorthogonalization=mode, maxiter=1000)
    else:
        found = point.hypergradient(inverse=name, maxiter=1000)
    assert found.status in (SolveStatus.STALLED, SolveStatus.INDEFINITE)
    assert not found.success and "maxiter" not in str(found)
