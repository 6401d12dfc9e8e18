"""The recipes' formulas against the package's problems and against differences of f and g: three that must be one."""

import numpy as np
import pytest

from lancbio_ref import oracle
from tests.oracle.documents import problem_of
from validation.vectors.random_bits import Bits
from validation.vectors.recipes.arithmetic import Digits, Floats
from validation.vectors.recipes.differences import Differences
from validation.vectors.recipes.problem_data import MAKERS, sizes
from validation.vectors.recipes.problems import PROBLEMS

SHAPES = {"quadratic": (3, 4), "ridge": (4,), "logistic": (3, 2), "data_cleaning": (3, 2), "synthetic": (4,)}
IDS = ["quadratic-006", "ridge-004", "logistic-004", "data-cleaning-005", "synthetic-006", "synthetic-012"]


@pytest.mark.parametrize("id", IDS)
def test_formulas_are_the_packages(id):
    vector = oracle.load(id)
    problem, x, y = problem_of(vector), vector.problem["x"], vector.problem["y"]
    at = Floats(0)
    bits = Bits(id)
    name = vector.problem["name"]
    if name == "quadratic":
        data = {key: exact_data(value) for key, value in vector.problem["data"].items()}
    else:
        data = MAKERS[name](bits, *vector.raw["generator"]["parameters"]["shape"])
    P, X, Y = PROBLEMS[name](at, data), list(map(float, x)), list(map(float, y))
    near = {"rtol": 1e-12, "atol": 1e-13}
    assert P.f(X, Y) == pytest.approx(problem.value(x, y), rel=1e-13)
    assert P.g(X, Y) == pytest.approx(problem.lower_value(x, y), rel=1e-13)
    np.testing.assert_allclose(P.fx(X, Y), problem.upper_grad_x(x, y), **near)
    np.testing.assert_allclose(P.fy(X, Y), problem.upper_grad_y(x, y), **near)
    np.testing.assert_allclose(P.gx(X, Y), problem.lower_grad_x(x, y), **near)
    np.testing.assert_allclose(P.gy(X, Y), problem.lower_grad_y(x, y), **near)
    np.testing.assert_allclose(P.A(X, Y), problem.hessian(x, y) @ np.eye(y.size), **near)
    np.testing.assert_allclose(P.J(X, Y), problem.cross(x, y) @ np.eye(y.size), **near)


def exact_data(value):
    from fractions import Fraction

    if isinstance(value, np.ndarray):
        return [[Fraction(t) for t in row] if value.ndim == 2 else Fraction(row) for row in value.tolist()]
    return Fraction(value)


@pytest.mark.parametrize("name", SHAPES)
def test_formulas_are_the_derivatives_of_f_and_g(name):
    bits = Bits(f"differences {name}")
    data = MAKERS[name](bits, *SHAPES[name])
    at = Digits(250)
    n_x, n_y = sizes(name, data)
    x, y = at.column(bits.dyadics(n_x, -1, 1, 4)), at.column(bits.dyadics(n_y, -1, 1, 4))
    P = PROBLEMS[name](at, data)
    D = Differences(P)
    for field in ("fx", "fy", "gx", "gy"):
        for ours, theirs in zip(getattr(P, field)(x, y), getattr(D, field)(x, y), strict=True):
            assert abs(ours - theirs) < 1e-100, field
    for field in ("A", "J"):
        for ours, theirs in zip(getattr(P, field)(x, y), getattr(D, field)(x, y), strict=True):
            assert max(abs(s - t) for s, t in zip(ours, theirs, strict=True)) < 1e-100, field


def test_differences_need_digits():
    with pytest.raises(TypeError):
        Differences(PROBLEMS["ridge"](Floats(0), MAKERS["ridge"](Bits("x"), 2)))
