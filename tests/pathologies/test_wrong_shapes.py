"""Shapes that do not fit, from the caller or a callable: the message holds the one found and the one expected."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import ArgumentError, CallableError, hypergradient, lanczos, lanczos_solve, lower_solution
from tests.pathologies.faulty import (
    CALLABLES,
    HESSIAN_USERS,
    MATRIX_ARGUMENTS,
    METHODS,
    VECTOR_ARGUMENTS,
    X0,
    Y0,
    A,
    B,
    N,
    ids,
    operator,
    point,
    problem,
    run,
    spoiled,
)

SIZED = [row for row in VECTOR_ARGUMENTS if row[2] is not None]


@pytest.mark.parametrize("entry, argument, length, call", SIZED, ids=ids(SIZED))
@pytest.mark.parametrize("difference", [-1, 1])
def test_vector_of_another_length(entry, argument, length, call, difference):
    with pytest.raises(ArgumentError) as caught:
        call(np.ones(length + difference))
    assert caught.value.argument == argument
    assert caught.value.found == f"shape ({length + difference},)"
    assert caught.value.expected == f"shape ({length},)"


@pytest.mark.parametrize("entry, argument, length, call", VECTOR_ARGUMENTS, ids=ids(VECTOR_ARGUMENTS))
@pytest.mark.parametrize("shape", [(), (2, N), (N, 2), (1, N, 1)], ids=str)
def test_vector_of_another_dimension(entry, argument, length, call, shape):
    with pytest.raises(ArgumentError) as caught:
        call(np.ones(shape))
    assert caught.value.argument == argument
    assert caught.value.found == f"shape {shape}"
    assert "1-D array" in caught.value.expected


@pytest.mark.parametrize("entry, argument, length, call", VECTOR_ARGUMENTS, ids=ids(VECTOR_ARGUMENTS))
def test_empty_vector(entry, argument, length, call):
    with pytest.raises(ArgumentError) as caught:
        call([])
    assert caught.value.argument == argument
    assert "empty" in caught.value.found


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
@pytest.mark.parametrize("wrap", [np.ones, lambda s: sp.csr_array(np.ones(s))], ids=["dense", "sparse"])
def test_matrix_that_does_not_fit(entry, argument, shape, call, wrap):
    for wrong in ((shape[0], shape[1] + 1), (shape[0] + 1, shape[1])):
        with pytest.raises(ArgumentError) as caught:
            call(wrap(wrong))
        assert caught.value.argument == argument
        assert caught.value.found == f"shape {wrong}"


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
@pytest.mark.parametrize("shape_found", [(), (N,), (N, N, 1), (0, 0), (0, N)], ids=str)
def test_not_a_matrix(entry, argument, shape, call, shape_found):
    with pytest.raises(ArgumentError) as caught:
        call(np.ones(shape_found))
    assert caught.value.argument == argument
    assert caught.value.found == f"shape {shape_found}"


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
def test_one_dimensional_sparse_array(entry, argument, shape, call):
    with pytest.raises(ArgumentError) as caught:
        call(sp.coo_array(np.ones(N)))
    assert caught.value.argument == argument


@pytest.mark.parametrize("entry", HESSIAN_USERS)
@pytest.mark.parametrize(
    "wrong", [np.ones(N + 1), np.ones((N, 2)), np.float64(1.0), np.ones(0)], ids=["long", "matrix", "scalar", "empty"]
)
def test_product_of_another_shape(entry, wrong):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError) as caught:
        call(operator(spoiled(lambda v: A @ v, 3, wrong)))
    assert (caught.value.callable_name, caught.value.call) == (name, 3)
    assert caught.value.found == f"shape {np.shape(wrong)}"
    assert f"shape ({N},)" in caught.value.expected


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_a_column_is_a_vector_as_in_scipy(entry):
    HESSIAN_USERS[entry][0](operator(lambda v: (A @ v).reshape(-1, 1)))


@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y"])
@pytest.mark.parametrize("method", METHODS)
def test_gradient_of_another_shape(name, method):
    broken = problem({name: spoiled(CALLABLES[name], 2, lambda right: np.append(right, 1.0))})
    with pytest.raises(CallableError) as caught:
        run(broken, method)
    assert (caught.value.callable_name, caught.value.call) == (name, 2)
    assert caught.value.result.nit == 1


@pytest.mark.parametrize("name", ["lower.hessian", "lower.cross"])
def test_operator_of_another_shape(name):
    broken = problem({name: lambda x, y: np.ones((2, 2))})
    with pytest.raises(CallableError) as caught:
        hypergradient(broken, X0, Y0)
    assert (caught.value.callable_name, caught.value.call, caught.value.found) == (name, 1, "shape (2, 2)")


def test_cross_product_of_another_shape():
    with pytest.raises(CallableError, match=r"J @ v, call 1: returned shape \(12,\), expected .*\(3,\)"):
        point(J=operator(lambda v: v, shape=(3, N))).hypergradient()


def test_no_start_and_no_length_of_y():
    with pytest.raises(ArgumentError, match="does not say its n_y"):
        lower_solution(problem(n_y=None), X0, tol=1e-8)


def test_column_vectors_of_lanczos_solve_are_scipys():
    x, info = lanczos_solve(A, B.reshape(-1, 1), B.reshape(-1, 1), rtol=1e-12)
    assert x.shape == (N,)
    assert info == 0


def test_an_operator_that_forgot_its_super_init():
    class Forgot(LinearOperator):
        def __init__(self):
            self.dtype = np.dtype(float)

        def _matvec(self, v):
            return v

    for call in (lambda: lanczos_solve(Forgot(), B), lambda: point(Forgot()), lambda: lanczos(Forgot(), B, 2)):
        with pytest.raises(
            ArgumentError, match=r"a Forgot without shape, expected .*super\(\).__init__\(dtype, shape\)"
        ):
            call()
