"""Under np.seterr(all="raise"): what the package's own arithmetic underflows to is in its bounds, and no error."""

import hashlib

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    HyperObjective,
    Linearization,
    RepresentationError,
    hypergradient,
    lanczos,
    lanczos_solve,
    methods,
    minimize,
    problems,
)
from lancbio_ref.operators.proofs import certify_mu

X, LABELS = np.random.default_rng(1).standard_normal((30, 4)), np.arange(30) % 3
READY = {
    "quadratic": lambda: problems.quadratic(4, 5, rng=0),
    "ridge": lambda: problems.random_ridge(30, 30, 5, rng=0),
    "cleaning": lambda: problems.data_cleaning(X, LABELS, X, LABELS, n_classes=3),
    "logistic": lambda: problems.logistic(X, LABELS, X, LABELS),
    "synthetic": lambda: problems.synthetic(40, 10.0, rng=0),
}
SCALES = (1e-310, 1e-160, 0.0, 1.0, 300.0, 700.0)


def digest(*arrays):
    return hashlib.sha256(b"".join(np.asarray(array).tobytes() for array in arrays)).hexdigest()


def the_same(compute):
    """`compute` gives the same, a refusal by the package included, under errstate(all="raise") as without."""
    found = []
    for setting in ({}, dict(all="raise")):
        with np.errstate(**setting):
            try:
                found.append(compute())
            except FloatingPointError:
                raise
            except (ArgumentError, RepresentationError, ArithmeticError) as error:
                found.append(repr(error))
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore")  # of what overflows without the setting
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", READY)
def test_hypergradients_and_objectives(name, scale):
    problem = READY[name]()
    with np.errstate(all="ignore"):
        x, y = (scale * np.linspace(-1, 1, n) for n in (problem.n_x, problem.n_y))
    the_same(lambda: digest(hypergradient(problem, x).value))
    the_same(lambda: digest(hypergradient(problem, x, y).value))
    the_same(lambda: digest(*HyperObjective(problem)(x)))


@pytest.mark.parametrize("method", methods.names())
@pytest.mark.parametrize("name", READY)
def test_every_method(name, method):
    problem = READY[name]()
    options = dict(method=method, maxiter=3, rng=0)

    def run():
        steps = dict(step_x=1e-2, step_y=1e-2, step_v=1e-2)
        while True:
            try:
                result = minimize(problem, np.ones(problem.n_x), np.zeros(problem.n_y), **options, **steps)
                return digest(result.x, result.y)
            except ArgumentError as error:  # a method without such a step
                wrong = [step for step in steps if step in str(error).split(",")[0]]
                if not wrong:
                    raise
                del steps[wrong[0]]

    the_same(run)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1.0])
@pytest.mark.parametrize("n", [3, 50])
def test_systems_of_every_scale(n, scale):
    A = np.diag(np.linspace(1, 2, n))
    with np.errstate(all="ignore"):
        small, b, start = A * scale, np.logspace(0, -300, n) * scale, np.logspace(0, -200, n)
    the_same(lambda: digest(lanczos_solve(small, np.ones(n))[0]))
    the_same(lambda: digest(lanczos_solve(A, b)[0]))
    the_same(lambda: digest(lanczos(small, start, min(n, 5)).alpha))
    the_same(lambda: digest(Linearization(A, scale * np.eye(n), scale * np.ones(n), np.ones(n)).hypergradient().value))
    the_same(lambda: certify_mu(small, 0.9 * scale))


def test_what_a_linearization_evaluates_later_is_quiet_too():
    problem = problems.random_ridge(10, 10, 2, rng=0)
    x, y = np.full(2, -400.0), np.full(2, 1e-200)
    with np.errstate(under="raise"):
        point = problem.linearize(x, y)
        assert np.array_equal(point.grad_y, problem.lower_grad_y(x, y))
        assert problem.lower_value(x, y) >= 0
