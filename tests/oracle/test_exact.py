"""The exact side: enclosures that enclose, routes that are compared, proven spectra, a process that is Lanczos'."""

from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle import balls
from lancbio_ref.oracle.balls import PrecisionError
from lancbio_ref.oracle.hexfloat import from_decimal, from_hex, nearest_float
from validation.vectors import exact
from validation.vectors.exact_lanczos import Sums, energy_errors, lanczos, sensitivity
from validation.vectors.random_bits import Bits, rows_of
from validation.vectors.recipes.arithmetic import Digits, Floats, Rational, nearest_of

rationals = st.fractions(max_denominator=10**40)


@given(st.lists(rationals, min_size=1, max_size=6))
def test_an_enclosure_of_rationals_encloses(values):
    text = exact.enclosure_text([exact.rational(v) for v in values], [len(values)])
    for value, mid, rad, near in zip(values, text["mid"], text["rad"], text["float64"], strict=True):
        middle, radius = from_decimal(mid), from_decimal(rad)
        assert middle - radius <= value <= middle + radius
        assert from_hex(near) == nearest_float(value)
        assert radius <= abs(value) * Fraction(10) ** -34


@given(rationals.filter(bool))
def test_rationals_and_narrow_balls_give_the_same_text(value):
    q = exact.rational(value)
    with exact.precision(700):
        ball = flint.arb(q)
    of_rational, of_ball = exact.enclosure_text([q], []), exact.enclosure_text([ball], [])
    if of_rational["rad"] == ["0"]:  # which a ball cannot know
        of_ball["rad"] = ["0"]
    assert of_rational == of_ball


def test_a_wide_ball_is_refused():
    with exact.precision(100), pytest.raises(PrecisionError):
        exact.enclosure_text([flint.arb(2).sqrt()], [])


def test_a_ball_about_zero_is_zero_only_beside_something_large():
    with exact.precision(400):
        tiny = flint.arb(0, flint.arb(2) ** -300)
        text = exact.enclosure_text([tiny, flint.arb(3).sqrt()], [2])
        assert text["mid"][0] == "0" and from_decimal(text["rad"][0]) >= Fraction(1, 2**300)
        with pytest.raises(PrecisionError):
            exact.enclosure_text([flint.arb(0, 1e-9), flint.arb(3).sqrt()], [2])


def test_what_float64_cannot_hold_is_refused():
    with pytest.raises(PrecisionError):
        exact.enclosure_text([flint.fmpq(2) ** 1024], [])
    with pytest.raises(PrecisionError):
        exact.floats(flint.fmpq_mat(1, 1, [flint.fmpq(1, 3)]))


def test_routes_that_disagree_are_found():
    exact.agree([flint.fmpq(1, 3)], [flint.fmpq(1, 3)], "it")
    with pytest.raises(PrecisionError, match="disagree"):
        exact.agree([flint.fmpq(1, 3)], [flint.fmpq(1, 3) + flint.fmpq(1, 10**60)], "it")
    with pytest.raises(PrecisionError, match="too wide"):
        exact.agree([flint.fmpq(1, 3)], [flint.arb(0.333333333, 1e-6)], "it")
    exact.close("it", [flint.fmpq(1, 3)], [flint.fmpq(1, 3) + flint.fmpq(1, 10**50)])
    with pytest.raises(PrecisionError, match="disagree"):
        exact.close("it", [flint.fmpq(1, 3)], [flint.fmpq(1, 3) + flint.fmpq(1, 10**40)])


def test_a_singular_matrix_is_not_solved():
    with pytest.raises(ZeroDivisionError):
        exact.solve_both(exact.matrix([[1, 1], [1, 1]]), exact.column([1, 0]))


def test_missing_flint_is_said(monkeypatch):
    monkeypatch.setattr(balls, "flint", None)
    with pytest.raises(ArgumentError, match="python-flint"):
        balls.require_flint()


# -- spectra -------------------------------------------------------------------------------------


def symmetric(seed, n, shift=0):
    bits = Bits(seed)
    F = exact.matrix(rows_of(bits, n, n, -1, 1, 6))
    A = F * F.transpose()
    for i in range(n):
        A[i, i] += shift
    return A


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_spectrum_bounds_are_the_best_of_four_digits(n):
    A = symmetric(f"spectrum {n}", n, 1)
    mu, L = exact.spectrum_bounds(A)
    values = np.linalg.eigvalsh(np.array(exact.floats(A)).reshape(n, n))
    assert values[0] * (1 - 1.1e-3) <= mu < values[0] and values[-1] < L <= values[-1] * (1 + 1.1e-3)


@pytest.mark.parametrize("values", [[1, 1, 1, 1], [1, 2, 2, 3], [Fraction(1, 2**40), 1, 1, 2**20]])
def test_spectrum_bounds_of_multiple_and_spread_eigenvalues(values):
    from validation.vectors.recipes.frame import with_spectrum

    mu, L = exact.spectrum_bounds(with_spectrum([Fraction(v) for v in values]))
    assert min(values) * 0.9989 <= mu < min(values) and max(values) < L <= max(values) * 1.0011


def test_an_indefinite_matrix_has_no_mu():
    with pytest.raises(PrecisionError):
        exact.spectrum_bounds(exact.matrix([[1, 2], [2, 1]]))
    assert not exact.is_positive_definite(exact.matrix([[1, 1], [1, 1]]))


# -- the process ---------------------------------------------------------------------------------


def test_lanczos_against_mpmath():
    """A third computation: full orthogonalization at 80 digits."""
    n, k = 7, 5
    A, q = symmetric("lanczos", n, 1), exact.column(Bits("start").dyadics(n, -2, 2, 4))
    found = lanczos(A, q, k)
    mp = mpmath.mp.clone()
    mp.dps = 80
    M = mp.matrix([[mp.mpf(int(A[i, j].p)) / int(A[i, j].q) for j in range(n)] for i in range(n)])
    v = mp.matrix([mp.mpf(int(t.p)) / int(t.q) for t in q.entries()])
    basis = [v / mp.norm(v)]
    for i in range(k):
        w = M * basis[-1]
        alpha = (basis[-1].T * w)[0]
        for old in basis * 2:
            w -= old * (old.T * w)[0]
        beta = mp.norm(w)
        basis.append(w / beta)
        assert abs(alpha - mp.mpf(int(found.alpha[i].p)) / int(found.alpha[i].q)) < mp.mpf(10) ** -70
        assert abs(beta**2 - mp.mpf(int(found.beta_squared[i].p)) / int(found.beta_squared[i].q)) < mp.mpf(10) ** -70


def test_breakdown_is_exact():
    from validation.vectors.recipes.frame import with_spectrum

    A = with_spectrum([Fraction(t) for t in (1, 1, 1, 2, 2, 5, 5, 5)])
    found = lanczos(A, exact.column(Bits("b").dyadics(8, -2, 2, 4)), 8)
    assert found.breakdown == 3 and len(found.alpha) == 3 and found.beta[-1] == 0


def test_energy_errors_are_those_of_the_minimizers():
    """‖v* − v_i‖_A by brute force: the minimizer over v_0 + the Krylov space, from its normal equations."""
    n = 5
    A, b, v0 = symmetric("energy", n, 1), *(exact.column(Bits(t).dyadics(n, -2, 2, 3)) for t in ("eb", "ev"))
    solution = A.solve(b)
    errors = energy_errors(A, b, v0, solution, n)
    r = b - A * v0
    powers = [r]
    for i in range(n):
        K = flint.fmpq_mat(n, i + 1, [powers[j][row, 0] for row in range(n) for j in range(i + 1)])
        z = (K.transpose() * A * K).solve(K.transpose() * r)
        gap = solution - v0 - K * z
        square = (gap.transpose() * A * gap)[0, 0]
        if i + 1 < n:
            with exact.precision(200):
                assert (errors[i + 1] * errors[i + 1] - flint.arb(square)).contains(0)
        powers.append(A * powers[-1])
    assert len(errors) == n + 1 and errors[-1] == 0


def test_sensitivity_bounds_another_float64_run():
    n, k = 12, 10
    A, q = symmetric("sensitive", n, 0), exact.column(Bits("q").dyadics(n, -2, 2, 4))
    truth = lanczos(A, q, k)
    entries = np.array(exact.floats(A)).reshape(n, n)
    rows = [[(j, float(t)) for j, t in enumerate(row)] for row in entries]
    L = exact.spectrum_bounds(A)[1]
    found = sensitivity(rows, exact.floats(q), truth, L)
    start = np.array(exact.floats(q))
    q, before, beta = start / np.linalg.norm(start), np.zeros(n), 0.0
    for i in range(k):
        u = entries @ q - beta * before
        alpha = q @ u
        w = u - alpha * q
        beta = np.linalg.norm(w)
        error = max(abs(alpha - float(exact.fraction(truth.alpha[i]))), abs(beta - float(truth.beta[i].mid()))) / L
        assert error <= 64 * max(found[i], 20 * 2.0**-53)
        before, q = q, w / beta
    assert found == sensitivity(rows, exact.floats(exact.column(start)), truth, L)


def test_sums_differ_in_rounding_only():
    terms = [1 / (i + 3) for i in range(200)]
    sums = {Sums(seed).sum(terms) for seed in range(4)}
    assert len(sums) >= 2 and max(sums) - min(sums) < 1e-13


# -- random bits and arithmetics -----------------------------------------------------------------


def test_splitmix64_is_the_published_generator():
    bits = Bits("")
    bits._state = 1234567  # its authors' test: the first outputs from this state
    assert [bits.word() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(1, 1000), st.text("ab 1é∞", max_size=5))
def test_random_integers_stay_in_range(n, seed):
    bits = Bits(seed)
    assert all(0 <= bits.below(n) < n for _ in range(20))
    assert sorted(bits.shuffled(list(range(10)))) == list(range(10))
    value = bits.dyadic(-2, 3, 4)
    assert -2 <= value <= 3 and (value * 16).denominator == 1


@pytest.mark.parametrize("at", [Rational(), Digits(60), Floats(0), Floats(3)], ids=lambda at: type(at).__name__)
def test_every_arithmetic_solves(at):
    A, b = [[Fraction(t) for t in row] for row in ((0, 2, 1), (1, 1, 0), (3, 0, 1))], [Fraction(t) for t in (5, 3, 6)]
    residual = [
        s - t for s, t in zip(at.times(at.rows(A), at.solve(at.rows(A), at.column(b))), at.column(b), strict=True)
    ]
    for t in residual:
        assert t == 0 if isinstance(at, Rational) else abs(float(t)) < 1e-14


@given(st.floats(-20, 20))
def test_functions_of_floats_are_correctly_rounded(value):
    with mpmath.workdps(60):
        for name in ("exp", "sin", "cos"):
            truth = getattr(mpmath, name)(mpmath.mpf(value))
            assert nearest_of(lambda t, name=name: getattr(t, name)(), value) == float(truth)
