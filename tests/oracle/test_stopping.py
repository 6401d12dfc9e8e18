"""Conjugate gradients that stop too early are called that, whatever their tolerance is and relative to what."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lancbio_ref.oracle.candidates import CallableCandidate
from lancbio_ref.oracle.check import check
from lancbio_ref.oracle.report import summary_line
from lancbio_ref.oracle.stopping import common
from tests.oracle.cases import at
from tests.thorough import THOROUGH, sampled

LEVELS = ("solve", "hypergradient")


def stopped(stop, warm=False, times=np.matmul):
    """Conjugate gradients as libraries have them: no scaling, no test of A."""

    def run(A, b, v0):
        v = v0 if warm else 0 * b
        r = b - times(A, v)
        p, rho = r, times(r, r)
        for _ in range(10 * b.size):
            if stop(r, b):
                break
            Ap = times(A, p)
            gamma = rho / times(p, Ap)
            v, r = v + gamma * p, r - gamma * Ap
            rho, old = times(r, r), rho
            p = r + rho / old * p
        return v

    return run


def one_by_one(a, b):
    """a @ b as a compiler without a BLAS sums."""
    return np.cumsum(a * b, axis=-1)[..., -1]


def times_twice(A, b, v0):
    """Conjugate gradients on AᵀA v = Aᵀb."""
    times = one_by_one
    b = times(A.T, b)
    r, v = b, 0 * b
    p, rho = r, times(r, r)
    for _ in range(10 * b.size):
        if rho <= 1e-10 * times(b, b):
            break
        Ap = times(A.T, times(A, p))
        gamma = rho / times(p, Ap)
        v, r = v + gamma * p, r - gamma * Ap
        rho, old = times(r, r), rho
        p = r + rho / old * p
    return v


def of_b(rtol):
    return lambda r, b: np.linalg.norm(r) <= rtol * np.linalg.norm(b)


def of_largest_entry(rtol):
    return lambda r, b: np.abs(r).max() <= rtol * np.abs(b).max()


def of_one(atol):
    return lambda r, b: np.linalg.norm(r) <= atol


def of_both(tol):
    return lambda r, b: np.abs(r).max() <= tol + tol * np.abs(b).max()


def outcome(level, solve):
    def hypergradient(case):
        return case["c"] - case["J"] @ solve(case["A"], case["b"], case["v0"])

    vectors = [vector for vector in at(level) if vector.n_y <= (147 if THOROUGH else 24)]
    return check(CallableCandidate(solve if level == "solve" else hypergradient), [level], vectors)


@pytest.mark.parametrize(
    "level, rtol, warm", sampled(product(LEVELS, [1e-3, 3.3e-4, 1e-5, 1e-6, 1e-7, 1e-8], [False, True]), 13)
)
def test_a_default_tolerance_is_named_first(level, rtol, warm):
    result = outcome(level, stopped(of_b(rtol), warm))
    first = result.suspects[level][0]
    assert first.fault.id == "S12" and first.matches >= 0.9 * first.of > 5
    assert "; suspect S12 (" in summary_line(result)


@pytest.mark.parametrize("level", ["solve", "hypergradient"])
@pytest.mark.parametrize("rtol", sampled([1e-5, 1e-3, 1e-8], 3))
def test_so_is_one_of_the_largest_entry(level, rtol):
    assert "; suspect S12 (" in summary_line(outcome(level, stopped(of_largest_entry(rtol))))


@pytest.mark.parametrize("level, atol, warm", sampled(product(LEVELS, [1e-3, 1e-5, 1e-8], [False, True]), 7))
def test_an_absolute_tolerance_is_named_first(level, atol, warm):
    result = outcome(level, stopped(of_one(atol), warm))
    assert result.suspects[level][0].fault.id == "S09"
    assert "; suspect S09 (" in summary_line(result)


@pytest.mark.parametrize("level, rtol, warm", sampled(product(LEVELS, [1e-4, 1e-5, 1e-6, 1e-8], [False, True]), 11))
def test_another_order_of_summation_hides_no_tolerance(level, rtol, warm):
    """Where the iterates are no longer orthogonal, those of jaxopt, PyAMG and SciPy have no digit in common."""
    result = outcome(level, stopped(of_b(rtol), warm, one_by_one))
    first = result.suspects[level][0]
    assert first.fault.id == "S12" and first.matches >= 0.9 * first.of > 5


@pytest.mark.parametrize("level", ["solve", "hypergradient"])
def test_nor_the_normal_equations(level):
    assert "; suspect S29 (" in summary_line(outcome(level, times_twice))


def test_errors_of_the_same_size_are_not_enough():
    """Those of a default tolerance, in directions of their own: it is no iterate anywhere."""
    rng = np.random.default_rng(0)

    def run(A, b, v0):
        truth, stops = np.linalg.solve(A, b), stopped(of_b(1e-5))(A, b, v0)
        direction = rng.standard_normal(b.size)
        return truth + np.linalg.norm(stops - truth) / np.linalg.norm(direction) * direction

    assert not {"S09", "S11", "S12", "S29"} & {suspect.fault.id for suspect in outcome("solve", run).suspects["solve"]}


def entry_by_entry(tol):
    """As Lineax stops: every entry of r beside those of b, and every entry of the last step beside those of v."""

    def run(A, b, v0):
        r, v = b, 0 * b
        p, rho, step = r, r @ r, np.inf
        for _ in range(10 * b.size):
            if rho <= 0 or max(np.max(abs(r) / (tol + tol * abs(b))), np.max(abs(step) / (tol + tol * abs(v)))) <= 1:
                break
            Ap = A @ p
            gamma = rho / (p @ Ap)
            step, r = gamma * p, r - gamma * Ap
            rho, old, v = r @ r, rho, v + step
            p = r + rho / old * p
        return v

    return run


@pytest.mark.parametrize("level", ["solve", "hypergradient"])
@pytest.mark.parametrize("tol", sampled([1e-5, 1e-3, 1e-6], 3))
def test_a_test_of_convergence_that_nobody_else_has_is_a_tolerance_too(level, tol):
    """Where b is small it is absolute, and elsewhere relative."""
    assert outcome(level, entry_by_entry(tol)).suspects[level][0].fault.id in ("S09", "S12")


@pytest.mark.parametrize("rtol", sampled([1e-3, 1e-6], 2))
def test_gradient_descent_is_not_taken_for_conjugate_gradients(rtol):
    def run(A, b, v0):
        v, step = 0 * b, 1 / (np.linalg.norm(A, 2) or 1.0)
        for _ in range(2000):
            if np.linalg.norm(b - A @ v) <= rtol * np.linalg.norm(b):
                break
            v = v + step * (b - A @ v)
        return v

    assert "S12" not in [suspect.fault.id for suspect in outcome("solve", run).suspects["solve"]]


@pytest.mark.parametrize("level", ["solve", "hypergradient"])
def test_a_sum_of_both_is_called_one_of_them(level):
    assert outcome(level, stopped(of_both(1e-5))).suspects[level][0].fault.id in ("S09", "S12")


def test_a_program_without_a_check_is_told_that_as_well():
    ids = [suspect.fault.id for suspect in outcome("solve", stopped(of_b(1e-5))).suspects["solve"]]
    assert ids[0] == "S12" and "S24" in ids and not {"S16", "S18"} & set(ids)


def test_what_most_have_in_common():
    assert common([]) is None and common([(1e-6, 1e-5)]) is None
    assert common([(1e-6, 1e-5), (1e-4, 1e-3)]) is None
    assert common([(1.2e-6, 8e-6), (2e-6, 9e-6), (0.1, 0.2)]) == pytest.approx(4e-6)
    assert common([(1e-9, float("inf")), (2e-9, 1e-3)]) == 1e-8
