"""A problem of this package keeps what it has made of its levels and data: neither is replaced behind its back."""

import copy
import pickle

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    HyperObjective,
    LipschitzConstants,
    LowerLevel,
    UpperLevel,
    hypergradient,
    problems,
)
from lancbio_ref.minibatch import Minibatched
from lancbio_ref.problems.folds import Folds
from lancbio_ref.problems.portions import FiniteSum

RNG = np.random.default_rng(0)
X, X_VAL = RNG.standard_normal((24, 3)), RNG.standard_normal((12, 3))
T, T_VAL = RNG.standard_normal(24), RNG.standard_normal(12)
TWO, TWO_VAL, THREE = np.arange(24) % 2, np.arange(12) % 2, np.arange(24) % 3


class OwnRidge(problems.Ridge):
    """A user's, with an attribute of its own."""

    def __init__(self):
        super().__init__(X, T, X_VAL, T_VAL)
        self.seen = 0

    def value(self, x, y):
        self.seen += 1
        return super().value(x, y)


def huber(**options):
    return problems.generalized_linear(X, T, loss="huber", **options)


MADE = {
    "quadratic": lambda: problems.quadratic(3, 3, rng=0),
    "synthetic": lambda: problems.synthetic(3, 10.0, rng=0),
    "matrix-free": lambda: problems.synthetic(3, 10.0, matrix_free=True, rng=0),
    "ridge": lambda: problems.ridge(X, T, X_VAL, T_VAL),
    "own ridge": OwnRidge,
    "cleaning": lambda: problems.data_cleaning(X, TWO, X_VAL, TWO_VAL),
    "logistic": lambda: problems.logistic(X, TWO, X_VAL, TWO_VAL),
    "softmax": lambda: problems.logistic(X, THREE, X_VAL, TWO_VAL, weights="class"),
    "huber": lambda: huber(validation=(X_VAL, T_VAL)),
    "folds": lambda: huber(folds=[(np.arange(12), np.arange(12, 24)), (np.arange(12, 24), np.arange(12))]),
    "folds of blocks": lambda: huber(folds=2, block_rows=6),
    "blocks": lambda: problems.ridge(X, T, X_VAL, T_VAL, block_rows=7),
    "blocks of classes": lambda: problems.logistic(X, TWO, X_VAL, TWO_VAL, block_rows=7),
    "prior": lambda: problems.WithPrior(
        problems.ridge(X, T, X_VAL, T_VAL), problems.ExchangeablePrior(3, 0.0, 1.0, 1.0, 1)
    ),
    "batches": lambda: Minibatched(problems.ridge(X, T, X_VAL, T_VAL), 4, 5, rng=0),
}


FREE = {
    *("calls", "seen"),
    *("k", "log", "sampler"),  # of batches, which runs renew
    *("classes", "n_classes"),  # of blocks: the names of labels, of which nothing is made
}


def test_no_kind_of_problem_is_left_out():
    """Every class of this package that is a problem, but for those that others derive from and those of frameworks."""
    kinds, found = [BilevelProblem], set()
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        if kind.__module__.startswith("lancbio_ref.") and kind not in (BilevelProblem, FiniteSum):
            found.add(kind)
    made = {type(make()) for make in MADE.values()}
    assert {kind for kind in found if kind.__name__ != "AdaptedProblem"} <= made


@pytest.mark.parametrize("name", MADE)
def test_nothing_that_was_made_is_replaced(name):
    problem = MADE[name]()
    x, y = np.full(problem.n_x, 0.1), np.full(problem.n_y, 0.2)
    fixed = {key for key in vars(problem) if key[0] != "_"} - FREE
    assert fixed >= {"upper", "lower", "lipschitz", "n_y"}
    expected = copy.deepcopy(problem).value(x, y)
    for key in sorted(fixed):
        with pytest.raises(
            ArgumentError, match=rf"{type(problem).__name__}\.{key}: .*assignment.*BilevelProblem\(upper"
        ):
            setattr(problem, key, getattr(problem, key))
    for same in (problem, copy.copy(problem), copy.deepcopy(problem)):
        assert same.value(x, y) == expected
        with pytest.raises(ArgumentError, match="upper"):
            same.upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: 0 * y)


def test_the_remedy_is_another_problem():
    """∇φ of another f beside the same g: by ``BilevelProblem``, as by a problem that was written so."""
    ready = problems.ridge(X, T, X_VAL, T_VAL)
    upper = UpperLevel(value=lambda x, y: 0.5 * float(y @ y), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y)
    x = np.full(3, -1.0)
    found = hypergradient(BilevelProblem(upper, ready.lower), x, ready.solution(x), rtol=1e-12).value
    y, A = ready.solution(x), ready.hessian(x, ready.solution(x)) @ np.eye(3)
    np.testing.assert_allclose(found, -np.exp(x) * y * np.linalg.solve(A, y), rtol=1e-10)
    constants = LipschitzConstants(fx=0.0, fy=1.0, gxy=1.0, gyy=0.0)
    assert BilevelProblem(ready.upper, ready.lower, lipschitz=constants).lipschitz is constants


def test_a_problem_of_callables_has_the_levels_it_is_given():
    """Nothing is made of them, and each is asked anew."""
    level = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y)
    lower = LowerLevel(grad_y=lambda x, y: y - x, hessian=lambda x, y: np.eye(2), cross=lambda x, y: -np.eye(2))
    problem, x, y = BilevelProblem(level, lower), np.ones(2), np.array([1.0, 3.0])
    assert (hypergradient(problem, x, y).value == y).all()
    problem.upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0 * x + 1, grad_y=lambda x, y: 0 * y)
    assert (hypergradient(problem, x, y).value == 1).all()


def test_what_a_user_adds_is_the_users():
    problem = OwnRidge()
    problem.value(np.zeros(3), np.zeros(3))
    problem.note = "mine"
    problem.note = "still"
    assert problem.seen == 1 and pickle.loads(pickle.dumps(problem)).note == "still"


def _plain():
    """A problem of callables, a finite sum as users write one."""
    upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y)
    lower = LowerLevel(
        grad_y=lambda x, y: y - x,
        hessian=lambda x, y: np.eye(2),
        cross=lambda x, y: -np.eye(2),
        mu=1.0,
    )
    problem = BilevelProblem(upper, lower, n_y=2)
    problem.n_x, problem.n_samples, problem.minibatch = 2, (4, 4), print
    return problem


RESTS = {
    "objective": HyperObjective,
    "prior": lambda problem: problems.WithPrior(problem, problems.ExchangeablePrior(2, 0.0, 1.0, 1.0, 1)),
    "batches": lambda problem: Minibatched(problem, 2, 2, rng=0),
    "folds": lambda problem: Folds([problem, _plain()]),
}


@pytest.mark.parametrize("kind", RESTS)
def test_what_something_rests_on_is_replaced_no_more(kind):
    """It keeps values of the old f, or asks the old g beside the Hessian of the new one."""
    problem = _plain()
    problem.lipschitz = LipschitzConstants(fx=0.0, fy=1.0, gxy=0.0, gyy=0.0)
    resting = RESTS[kind](problem)
    for name in ("upper", "lower", "lipschitz", "n_y"):
        with pytest.raises(ArgumentError, match=name):
            setattr(problem, name, getattr(_plain(), name))
    problem.note = "a user's"
    assert resting is not None
