"""What `np.asarray` takes is taken, at every door alike; what it does not is refused in one line with its remedy."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    HyperObjective,
    LancbioError,
    Linearization,
    SolveStatus,
    certify_mu,
    hypergradient,
    lanczos,
    lanczos_solve,
    lower_solution,
    minimize,
    problems,
)
from lancbio_ref.minibatch import as_indices
from lancbio_ref.operators import DiagonalLowRank, GeneralizedLinear, PrescribedSpectrum
from tests.thorough import sampled

A, J, B, C = np.array([[2.0, 1], [1, 3]]), np.array([[1.0, 2]]), np.array([1.0, 2]), np.array([3.0])
PROBLEM = problems.quadratic_from_arrays(A, np.ones((2, 1)), B, B, rho=0.5)
X0, Y = np.array([0.5]), np.array([2.0, -1.0])
STEPS = dict(step_x=0.1, step_y=0.1, maxiter=2)


class Own:
    """An array of a library of its own: only `__array__`."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


class OnADevice(Own):
    """What CuPy and CUDA tensors do."""

    def detach(self):
        return self

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nMore lines of it.")


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LIKES = {
    "own": Own,
    "list": lambda array: array.tolist(),
    "tuples": lambda array: tuple(map(tuple, array)) if array.ndim == 2 else tuple(array),
    "matrix": np.matrix,
    "big-endian": lambda array: array.astype(">f8"),
    "Fortran": np.asfortranarray,
    "strided": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "read-only": read_only,
    "torch": lambda array: pytest.importorskip("torch").tensor(array),
    "jax": lambda array: _jax().asarray(array),
    "pandas": lambda array: _pandas(array),
}
REFUSED = {
    "device": (OnADevice, "no array (can't convert cuda:0 device type tensor to numpy)"),
    "masked": (lambda array: np.ma.masked_array(array), "a masked array"),
    "requires_grad": (lambda array: pytest.importorskip("torch").tensor(array, requires_grad=True), "requires grad"),
    "texts": (lambda array: array.astype(str), "<U"),
    "objects": (lambda array: array.astype(object), "object"),
    "float16": (lambda array: array.astype(np.float16), "float16"),
}


def _jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return jax.numpy


def _pandas(array):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(array) if array.ndim == 2 else pandas.Series(array)


def with_callable(name, like):
    """PROBLEM, whose callable `name` returns what `like` makes of its answer."""
    level, _, field = name.partition(".")
    answer = getattr(getattr(PROBLEM, level), field)
    dense = {"lower.hessian": A, "lower.cross": -np.ones((1, 2))}.get(name)

    def other(x, y):
        return like(np.asarray(answer(x, y) if dense is None else dense))

    given = type(PROBLEM).__mro__[1](PROBLEM.upper, PROBLEM.lower, n_y=2)
    setattr(given, level, replace(getattr(given, level), **{field: other}))
    return given


DOORS = {
    "Linearization.A": lambda like: Linearization(like(A), J, B, C).hypergradient().value,
    "Linearization.J": lambda like: Linearization(A, like(J), B, C).hypergradient().value,
    "Linearization.b": lambda like: Linearization(A, J, like(B), C).hypergradient().value,
    "Linearization.c": lambda like: Linearization(A, J, B, like(C)).hypergradient().value,
    "Linearization.M": lambda like: Linearization(A, J, B, C, M=like(np.eye(2))).hypergradient().value,
    "Linearization.grad_y": lambda like: Linearization(A, J, B, C, grad_y=like(B)).grad_y,
    "lanczos_solve": lambda like: lanczos_solve(like(A), like(B), like(B), M=like(np.eye(2)))[0],
    "lanczos": lambda like: lanczos(like(A), like(B), 2).alpha,
    "certify_mu": lambda like: certify_mu(like(A), 0.5),
    "quadratic": lambda like: problems.quadratic_from_arrays(like(A), like(A), like(B), like(B)).solution(like(B)),
    "ridge": lambda like: problems.ridge(like(A), like(B), like(A), like(B)).hypergradient(like(B)),
    "synthetic": lambda like: problems.synthetic_from_arrays(like(B), like(B), like(B), like(A), 0.5).value(B, B),
    "logistic": lambda like: problems.logistic(like(A), [0, 1], like(A), [0, 1]).accuracy(like(B), like(A), [0, 1]),
    "cleaning": lambda like: problems.data_cleaning(like(A), [0, 1], like(A), [0, 1]).lower_value(B, np.ones(6)),
    "DiagonalLowRank": lambda like: DiagonalLowRank(like(B), like(A), like(B), like(A), like(A)) @ B,
    "GeneralizedLinear": lambda like: GeneralizedLinear(like(A), like(B), like(B)) @ B,
    "PrescribedSpectrum": lambda like: PrescribedSpectrum(like(B), rng=0) @ B,
    "hypergradient": lambda like: hypergradient(PROBLEM, like(X0), like(B), v0=like(B)).value,
    "lower_solution": lambda like: lower_solution(PROBLEM, like(X0), like(B), tol=1e-8).y,
    "HyperObjective": lambda like: HyperObjective(PROBLEM, like(B)).gradient(like(X0)),
    "minimize": lambda like: minimize(PROBLEM, like(X0), like(B), v0=like(B), **STEPS).x,
    "check": lambda like: PROBLEM.check(like(X0), like(B), rng=0).ok,
    "matvec": lambda like: lanczos_solve(LinearOperator((2, 2), matvec=lambda v: like(A @ v), dtype=float), B)[0],
    "rmatvec": lambda like: (
        Linearization(A, LinearOperator((1, 2), lambda v: J @ v, lambda u: like(J.T @ u), dtype=float), B, C)
        .hypergradient()
        .error_bound
    ),
    "inverse": lambda like: (
        hypergradient(
            PROBLEM,
            X0,
            Y,
            inverse=lambda at, v0, *, rtol, maxiter: (like(np.linalg.solve(A, at.b)), SolveStatus.CONVERGED),
        ).value
    ),
    **{
        name: lambda like, name=name: hypergradient(with_callable(name, like), X0, Y).value
        for name in ("upper.grad_x", "upper.grad_y", "lower.hessian", "lower.cross")
    },
    "lower.grad_y": lambda like: lower_solution(with_callable("lower.grad_y", like), X0, B, tol=1e-8).y,
}


@pytest.mark.parametrize("door, like", sampled(product(DOORS, LIKES), 3))  # 11 likes: each is met
def test_taken(like, door):
    if like == "matrix" and door in ("inverse", "Linearization.grad_y"):
        like = "own"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the matrix subclass", PendingDeprecationWarning)
        warnings.filterwarnings("ignore", ".*jax.*", DeprecationWarning)
        assert np.array_equal(DOORS[door](LIKES[like]), DOORS[door](np.array))


@pytest.mark.parametrize("door, kind", sampled(product(DOORS, REFUSED), 5))  # 6 kinds: each is met
def test_refused_in_one_line(kind, door):
    like, words = REFUSED[kind]
    if kind == "float16" and door in ("matvec", "rmatvec", "inverse"):
        return  # a product in float16 is one, and counts as no better; of v the residual is evaluated
    with pytest.raises(LancbioError) as caught:
        DOORS[door](like)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    if kind in ("device", "requires_grad"):
        assert "t.detach().cpu().numpy()" in str(caught.value)


def test_scalars_and_indices():
    for like in (Own, np.asarray):
        given = with_callable("upper.value", like)
        assert HyperObjective(given).value(X0) == HyperObjective(with_callable("upper.value", float)).value(X0)
        assert as_indices("lower", like(np.array([0, 2])), 3).tolist() == [0, 2]
    with pytest.raises(LancbioError, match=r"upper\.value, call 1: .*no array"):
        HyperObjective(with_callable("upper.value", OnADevice)).value(X0)


def test_what_somebody_elses_array_shares_with_us_is_not_written_to():
    numbers = np.array([1.0, 2.0])

    class Shares(Own):
        def __array__(self, dtype=None, copy=None):
            return self.array

    minimize(PROBLEM, X0, Shares(numbers), **STEPS)
    HyperObjective(PROBLEM, Shares(numbers))(X0)
    assert numbers.tolist() == [1.0, 2.0]
