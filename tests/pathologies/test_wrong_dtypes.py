"""Things that are no real floating-point numbers; and integers, booleans and foreign byte orders, which are taken."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    HyperObjective,
    LowerLevel,
    UpperLevel,
    hypergradient,
    lanczos,
    lanczos_solve,
    lower_solution,
    minimize,
    problems,
)
from tests.pathologies.faulty import (
    CALLABLES,
    HESSIAN_USERS,
    MATRIX_ARGUMENTS,
    METHODS,
    NUMBER_ARGUMENTS,
    VECTOR_ARGUMENTS,
    X0,
    Y0,
    A,
    B,
    J,
    N,
    ids,
    operator,
    point,
    problem,
    run,
    spoiled,
)

NO_VECTORS = {
    "none": None,
    "text": "1234",
    "texts": ["1.0"] * N,
    "objects": np.array([object()] * N),
    "dates": np.array(["2025-01-01"] * N, dtype="datetime64[D]"),
    "ragged": [[1.0], [1.0, 2.0]],
    "long-doubles": np.ones(N, np.longdouble),
    "halves": np.ones(N, np.float16),
    "sparse": sp.coo_array(np.ones((1, N))),
}


NO_VECTOR_CASES = [
    pytest.param(row[1], kind, row[3], id=f"{row[0]}-{row[1]}-{kind}")
    for row in VECTOR_ARGUMENTS
    for kind in NO_VECTORS
    if kind != "none" or row[1] in ("q1", "b", "c", "x")  # elsewhere None means "not given"
]


@pytest.mark.parametrize("argument, kind, call", NO_VECTOR_CASES)
def test_no_vector(argument, kind, call):
    with pytest.raises(ArgumentError) as caught:
        call(NO_VECTORS[kind])
    assert caught.value.argument == argument
    assert "1-D array" in caught.value.expected or caught.value.expected == "one of 'Mb'"


REAL_ONLY = [row for row in VECTOR_ARGUMENTS if not row[0].startswith(("lanczos", "LanczosProcess"))]


@pytest.mark.parametrize("entry, argument, length, call", REAL_ONLY, ids=ids(REAL_ONLY))
def test_complex_vector_where_the_problem_is_real(entry, argument, length, call):
    with pytest.raises(ArgumentError) as caught:
        call(np.ones(length or N) * 1j)
    assert (caught.value.argument, caught.value.found) == (argument, "dtype complex128")


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
@pytest.mark.parametrize(
    "wrong", ["text", 3, object(), np.full((N, N), "1"), np.ones((N, N), np.longdouble), [[1], [1, 2]]]
)
def test_no_matrix(entry, argument, shape, call, wrong):
    with pytest.raises(ArgumentError) as caught:
        call(wrong)
    assert caught.value.argument == argument


@pytest.mark.parametrize("entry", ["Linearization", "certify_mu"])
def test_complex_matrix_where_only_real_ones_go(entry):
    for row in MATRIX_ARGUMENTS:
        if row[0] == entry and row[1] != "M":
            with pytest.raises(ArgumentError) as caught:
                row[3](1j * np.ones(row[2]))
            assert (caught.value.argument, caught.value.found) == (row[1], "dtype complex128")


def test_complex_preconditioner_of_a_real_system():
    with pytest.raises(ArgumentError, match="M: found dtype complex128"):
        lanczos_solve(A, B, M=1j * np.eye(N))


@pytest.mark.parametrize("entry, argument, call", NUMBER_ARGUMENTS, ids=ids(NUMBER_ARGUMENTS))
@pytest.mark.parametrize(
    "wrong", ["0.5", b"0.5", 0.5j, [0.5], np.array([0.5]), {}, object()], ids=lambda wrong: type(wrong).__name__
)
def test_no_number(entry, argument, call, wrong):
    with pytest.raises(ArgumentError) as caught:
        call(wrong)
    assert caught.value.argument == argument


INTEGERS = {
    "lanczos-k": lambda k: lanczos(A, B, k),
    "lanczos_solve-maxiter": lambda k: lanczos_solve(A, B, maxiter=k),
    "lanczos_solve-restart": lambda k: lanczos_solve(A, B, restart=k),
    "hypergradient-maxiter": lambda k: hypergradient(problem(), X0, Y0, maxiter=k),
    "lower_solution-maxiter": lambda k: lower_solution(problem(), X0, tol=1e-8, maxiter=k),
    "minimize-maxiter": lambda k: run(maxiter=k),
    "minimize-inner_steps": lambda k: run(inner_steps=k),
    "minimize-subspace": lambda k: run(subspace=k),
    "BilevelProblem-n_y": lambda k: problem(n_y=k),
}


@pytest.mark.parametrize("entry", INTEGERS)
@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "3", [3], np.nan], ids=str)
def test_no_positive_integer(entry, wrong):
    with pytest.raises(ArgumentError) as caught:
        INTEGERS[entry](wrong)
    assert caught.value.argument == entry.partition("-")[2]
    assert caught.value.expected == "an integer >= 1"


@pytest.mark.parametrize("entry", INTEGERS)
def test_numpy_integer_is_an_integer(entry):
    INTEGERS[entry](np.int32(N))


@pytest.mark.parametrize("entry", HESSIAN_USERS)
@pytest.mark.parametrize(
    "wrong",
    [None, "text", np.array([object()] * N), np.ones(N, np.longdouble), 1j * np.ones(N), [[1.0], [1.0, 2.0]]],
    ids=["none", "text", "objects", "long-doubles", "complex", "ragged"],
)
def test_product_of_another_type(entry, wrong):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError) as caught:
        call(operator(spoiled(lambda v: A @ v, 4, wrong)))
    assert (caught.value.callable_name, caught.value.call) == (name, 4)


@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y"])
@pytest.mark.parametrize("wrong", [None, "text", 1j * np.ones(N), np.ones(N, np.longdouble)], ids=str)
def test_gradient_of_another_type(name, wrong):
    with pytest.raises(CallableError) as caught:
        run(problem({name: spoiled(CALLABLES[name], 2, lambda right: wrong)}))
    assert (caught.value.callable_name, caught.value.call) == (name, 2)


@pytest.mark.parametrize("wrong", [None, "1.0", 1j, [1.0], np.array([1.0])], ids=str)
def test_value_that_is_no_number(wrong):
    with pytest.raises(CallableError) as caught:
        run(problem({"upper.value": lambda x, y: wrong}))
    assert (caught.value.callable_name, caught.value.call) == ("upper.value", 1)


@pytest.mark.parametrize("name", ["lower.hessian", "lower.cross"])
@pytest.mark.parametrize("wrong", [None, "text", 1.0, object()], ids=["none", "text", "number", "object"])
def test_no_operator(name, wrong):
    with pytest.raises(CallableError) as caught:
        hypergradient(problem({name: lambda x, y: wrong}), X0, Y0)
    assert (caught.value.callable_name, caught.value.call) == (name, 1)


@pytest.mark.parametrize(
    "name", [n for n in CALLABLES if n.startswith("upper") or n[6:] in ("grad_y", "hessian", "cross")]
)
def test_level_without_a_callable(name):
    level, _, field = name.partition(".")
    with pytest.raises(ArgumentError) as caught:
        problem({name: 3.0})
    assert caught.value.argument == f"{level.capitalize()}Level.{field}"


def test_levels_exchanged():
    right = problem()
    with pytest.raises(ArgumentError, match="upper: found LowerLevel"):
        BilevelProblem(right.lower, right.upper)
    with pytest.raises(ArgumentError, match="lower: found UpperLevel"):
        BilevelProblem(right.upper, right.upper)
    with pytest.raises(ArgumentError, match="lipschitz: found float"):
        BilevelProblem(right.upper, right.lower, lipschitz=1.0)


@pytest.mark.parametrize("wrong", [None, 3, "problem", BilevelProblem, UpperLevel, LowerLevel], ids=str)
def test_no_problem(wrong):
    for call in (
        lambda: hypergradient(wrong, X0, Y0),
        lambda: lower_solution(wrong, X0, Y0, tol=1e-8),
        lambda: minimize(wrong, X0, Y0, **METHODS["lancbio"]),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert (caught.value.argument, caught.value.expected) == ("problem", "a BilevelProblem")


@pytest.mark.parametrize("wrong", ["seed", -1, 1.5, object()], ids=lambda wrong: type(wrong).__name__)
def test_no_generator(wrong):
    for call in (lambda: run(rng=wrong), lambda: problem().check(X0, Y0, rng=wrong)):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.argument == "rng"


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, bool, ">f8"], ids=str)
def test_integers_booleans_and_byte_orders_are_taken(dtype):
    M, v, x = (A * 10).round().astype(dtype), np.arange(N).astype(dtype), np.array([1, 0, 1]).astype(dtype)
    M, floats = (np.eye(N) * 2).astype(dtype) if dtype is bool else M, v.astype(float)
    assert np.array_equal(lanczos(M, v, 3).alpha, lanczos(M.astype(float), floats, 3).alpha)
    assert np.array_equal(lanczos_solve(M, v)[0], lanczos_solve(M.astype(float), floats)[0])
    assert np.array_equal(point(M, b=v).hypergradient().value, point(M.astype(float), b=floats).hypergradient().value)
    assert np.array_equal(hypergradient(problem(), x, v).value, hypergradient(problem(), x.astype(float), floats).value)
    options = METHODS["lancbio"] | dict(maxiter=3)
    assert np.array_equal(
        minimize(problem(), x, v, **options).x, minimize(problem(), x.astype(float), floats, **options).x
    )


def test_lists_are_arrays():
    found = point(A.tolist(), J=J.tolist(), b=B.tolist()).hypergradient().value
    assert np.array_equal(found, point().hypergradient().value)


@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y"])
@pytest.mark.parametrize(
    ("answer", "found"),
    [(np.float16(1), "dtype float16"), (np.int64(2**53 + 1), "the integer 9007199254740993")],
)
def test_an_answer_that_no_vector_is_made_of_names_its_callable(name, answer, found):
    """Not b or q1, which the user never gave."""
    made = problem({name: lambda x, y: np.full_like(x if name == "upper.grad_x" else y, answer, type(answer))})
    for use in (
        lambda: HyperObjective(made, Y0)(X0),
        lambda: minimize(made, X0, Y0, step_x=0.1, step_y=0.1, maxiter=2),
    ):
        with pytest.raises(CallableError) as caught:
            use()
        assert caught.value.callable_name == name and found in str(caught.value)


@pytest.mark.parametrize("name", ["lower.hessian", "lower.cross"])
def test_a_complex_operator_names_its_callable(name):
    """lower_solution blamed the gradient, and `check` dropped the imaginary part and said ok."""
    made = problem({name: lambda x, y: (A if name == "lower.hessian" else J) * (1 + 2j)})
    with pytest.raises(CallableError, match=rf"{name}, call 1: returned dtype complex128, expected a real operator"):
        hypergradient(made, X0, Y0)
    with pytest.raises(CallableError, match=name):
        made.check(X0, Y0, rng=0)
    with pytest.raises(ArgumentError, match=r"^B: found dtype complex128"):
        problems.quadratic_from_arrays(np.eye(2), np.eye(2) * 1j, [0.0, 0.0], [0.0, 0.0])
