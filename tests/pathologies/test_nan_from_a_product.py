"""An operator whose seventh product holds one NaN: every entry point names the operator and the number 7."""

import numpy as np
import pytest

from lancbio_ref import CallableError, LancbioError, hypergradient, lanczos_solve
from tests.pathologies.faulty import (
    HESSIAN_USERS,
    INVERSES,
    METHODS,
    MODES,
    N_X,
    X0,
    Y0,
    A,
    B,
    J,
    N,
    operator,
    point,
    problem,
    run,
    spoiled,
    with_entry,
)


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_seventh_hessian_product(entry):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError) as caught:
        call(operator(spoiled(lambda v: A @ v, 7, with_entry(np.nan))))
    error = caught.value
    assert (error.callable_name, error.call, error.found) == (name, 7, "nan at index 2")
    assert f"{name}, call 7: returned nan at index 2" in str(error)
    assert isinstance(error, LancbioError) and isinstance(error, ValueError)


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_the_same_operator_without_the_nan_is_fine(entry):
    HESSIAN_USERS[entry][0](operator(spoiled(lambda v: A @ v, 7, lambda right: right)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("call", [1, 2, 7])
def test_minimize_hands_over_the_last_finished_iteration(method, call):
    product = operator(spoiled(lambda v: A @ v, call, with_entry(np.nan)))
    with pytest.raises(CallableError) as caught:
        run(problem({"lower.hessian": lambda x, y: product}), method, maxiter=9)
    result = caught.value.result
    assert not result.success and "call" in result.message
    assert np.isfinite(result.fun) and np.isfinite(result.y).all() and np.isfinite(result.v).all()
    if result.nit:
        clean = run(None, method, maxiter=result.nit)
        for name in ("fun", "x", "y", "v", "hypergradient"):  # BLAS's last bit of A @ v hangs on where v lies in memory
            np.testing.assert_allclose(getattr(result, name), getattr(clean, name), rtol=1e-13, atol=1e-15)
        assert (result.n_hvp, result.n_grad) == (clean.n_hvp, clean.n_grad)
    else:
        assert np.array_equal(result.x, X0) and np.array_equal(result.y, Y0) and result.hypergradient is None
    assert len(result.trace["k"]) == result.nit


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_cross_product(method, call):
    product = operator(spoiled(lambda v: -J @ v, call, with_entry(np.nan)), shape=(N_X, N))
    with pytest.raises(CallableError) as caught:
        run(problem({"lower.cross": lambda x, y: product}), method)
    assert (caught.value.callable_name, caught.value.call) == ("lower.cross(x, y) @ v", call)
    assert caught.value.result.nit == call - 1


@pytest.mark.parametrize("inverse", INVERSES)
def test_cross_product_of_a_linearization(inverse):
    product = operator(lambda v: with_entry(np.nan)(J @ v), shape=(N_X, N))
    with pytest.raises(CallableError, match=r"J @ v, call 1: returned nan at index 2"):
        point(J=product).hypergradient(inverse=inverse)


def test_adjoint_cross_product():
    product = operator(lambda v: J @ v, shape=(N_X, N), rmatvec=spoiled(lambda u: J.T @ u, 2, with_entry(np.nan)))
    with pytest.raises(CallableError, match=r"J\.T @ v, call 2: returned nan"):
        point(J=product, mu=1.0).hypergradient()


@pytest.mark.parametrize("mode", MODES)
def test_preconditioner(mode):
    M = operator(spoiled(lambda v: v / np.diag(A), 5, with_entry(np.nan)))
    with pytest.raises(CallableError, match="M @ v, call 5: returned nan"):
        lanczos_solve(A, B, M=M, rtol=1e-12, reorthogonalization=mode)


def test_preconditioner_of_a_problem():
    M = operator(spoiled(lambda v: v / np.diag(A), 5, with_entry(np.nan)))
    broken = problem({"lower.preconditioner": lambda x, y: M})
    with pytest.raises(CallableError, match=r"lower\.preconditioner\(x, y\) @ v, call 5: returned nan"):
        hypergradient(broken, X0, Y0)


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_all_nan_from_the_start(entry):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError) as caught:
        call(operator(lambda v: np.full(N, np.nan)))
    assert (caught.value.callable_name, caught.value.call) == (name, 1)
