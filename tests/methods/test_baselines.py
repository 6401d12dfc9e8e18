"""Each baseline against a dense transcription of its formula, its counts, its rules, and what it refuses."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from lancbio_ref import ArgumentError, methods, minimize, problems
from lancbio_ref.jobs.settings import OPTIONS, default_options
from lancbio_ref.methods import BSA, F2SA, SOBA, STABLE, TTSA, AmIGOCG, AmIGOGD, HJFBiO, StocBiO, SubBiO
from tests.methods import dense


def synthetic():
    """n = 30, κ = 20; steps of the size 1/L."""
    rng = np.random.default_rng(7)
    n = 30
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    G = (Q * np.linspace(1, 20, n)) @ Q.T
    arrays = rng.uniform(-5, 5, n), rng.uniform(0.1, 1.1, n), 0.5 * rng.uniform(0, 1, n), (G + G.T) / 2, 0.5
    return problems.synthetic_from_arrays(*arrays), dense.Synthetic(*arrays), rng.standard_normal((4, n))


def cleaning():
    """12 training and 10 validation samples, 4 features, 3 classes: n_x = 12, n_y = 15."""
    rng = np.random.default_rng(8)
    X, X_val = rng.standard_normal((12, 4)), rng.standard_normal((10, 4))
    labels, labels_val = rng.integers(3, size=12), rng.integers(3, size=10)
    ours = problems.data_cleaning(X, labels, X_val, labels_val, n_classes=3, regularization=0.05)
    theirs = dense.Cleaning(X, labels, X_val, labels_val, 3, 0.05)
    return ours, theirs, [rng.standard_normal(12), *rng.standard_normal((3, 15))]


PROBLEMS = {"synthetic": synthetic, "cleaning": cleaning}
STEPS = dict(step_x=0.05, step_y=0.03)
INNER = dict(**STEPS, inner_steps=3)
DECAYS = dict(decay_x=0.6, decay_y=0.4)
PENALTY = dict(penalty_growth=0.7, decay_x=1 / 7, decay_y=0.3, decay_penalty=1.0)

#: name, method, transcription, its options, what of the state is compared beside x, y, v, h, x_next
CASES = [
    ("amigo-gd", AmIGOGD, dense.amigo_gd, dict(**INNER, step_v=0.04, inverse_steps=4), ("b", "c")),
    ("amigo-cg", AmIGOCG, dense.amigo_cg, dict(**INNER, inverse_steps=4), ("b", "c", "r0", "dv")),
    ("soba", SOBA, dense.soba, dict(**STEPS, step_v=0.04), ("y_next", "v_next", "direction_y", "direction_v")),
    ("stocbio", StocBiO, dense.stocbio, dict(**INNER, step_v=0.04, inverse_steps=6), ("b", "c")),
    ("bsa", BSA, dense.bsa, dict(**INNER, step_v=0.04, inverse_steps=6), ("b", "c", "term")),
    ("ttsa", TTSA, dense.ttsa, dict(**STEPS, **DECAYS, step_v=0.04, inverse_steps=6), ("term", "alpha", "beta")),
    (
        "stable",
        STABLE,
        dense.stable,
        dict(**STEPS, momentum=0.3, mu=0.9, cross_norm=0.6),  # both projections act
        ("y_next", "H_yy", "H_xy", "direction_y", "prediction"),
    ),
    (
        "f2sa",
        F2SA,
        dense.f2sa,
        dict(**INNER, step_z=0.02, **PENALTY),
        ("z", "c", "sigma", "sigma_next", "alpha", "step"),
    ),
    (
        "hjfbio",
        HJFBiO,
        dense.hjfbio,
        dict(**STEPS, step_v=0.04, radius=3.0, difference=1e-5),
        ("y_next", "v_next", "Av", "Jv", "b", "c"),
    ),
]
BY_NAME = {case[0]: case[1:] for case in CASES}


def random_state(name, method, problem, start):
    """A state as an earlier iteration may have left it, everything in it random."""
    x, y, v, extra = start
    state = method.init(problem, x, y, v, np.random.default_rng(11))
    if name == "f2sa":
        return replace(state, z=extra, sigma_next=3.7)
    if name == "stable":
        rng = np.random.default_rng(12)
        H = rng.standard_normal((y.size, y.size))
        H_xy = rng.standard_normal((x.size, y.size))
        return replace(state, x=x + 0.1, y=y - 0.1, H_yy=H @ H.T / y.size, H_xy=H_xy)
    return state


def quantities(state):
    return {name: getattr(state, name) for name in vars(state)}


def difference(ours, theirs):
    return np.linalg.norm(np.subtract(ours, theirs)) / np.linalg.norm(theirs)


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("name", BY_NAME)
def test_steps_agree_with_the_dense_formula(name, kind):
    """Six steps; the dense formula starts from our state before each, so that no difference grows."""
    cls, transcription, options, extra = BY_NAME[name]
    problem, theirs, start = PROBLEMS[kind]()
    method = cls(**options)
    state = random_state(name, method, problem, start)
    for _ in range(6):
        before = quantities(state)
        state = method.step(problem, state)
        drawn = dict(p=state.p) if name in ("bsa", "ttsa") else {}
        counted = dict(k=state.k) if name in ("ttsa", "f2sa") else {}
        expected = transcription(theirs, before, **drawn, **counted, **options)
        for quantity in ("x", "y", "h", "x_next", *(("v",) if name != "f2sa" else ()), *extra):
            if np.linalg.norm(expected[quantity]) == 0:
                assert not np.any(getattr(state, quantity)), quantity
                continue
            error = difference(getattr(state, quantity), expected[quantity])
            assert error <= (1e-9 if name == "hjfbio" else 1e-12), (quantity, state.k, error)


@pytest.mark.parametrize("name", BY_NAME)
def test_whole_runs_agree_with_the_dense_formula(name):
    """40 outer iterations of each from its own start, each continued from its own iterates."""
    cls, transcription, options, _ = BY_NAME[name]
    problem, theirs, (x, y, v, _) = synthetic()
    result = minimize(problem, x, y, v0=v, method=cls(**options), maxiter=40, rng=3, trace=("x", "y", "v", "h"))
    powers = np.random.default_rng(3)
    s = dict(x=x, x_next=x, y=y, y_next=y, v=v, v_next=v, z=y, sigma_next=1.0, H_yy=None, H_xy=None)
    for i in range(40):
        drawn = dict(p=int(powers.integers(options["inverse_steps"]))) if name in ("bsa", "ttsa") else {}
        counted = dict(k=i + 1) if name in ("ttsa", "f2sa") else {}
        s = s | transcription(theirs, s, **drawn, **counted, **options)
        for quantity in ("x", "y", "v", "h"):
            error = difference(result.trace[quantity][i], s[quantity])
            assert error <= (1e-7 if name == "hjfbio" else 1e-10), (quantity, i, error)


#: per iteration, with N = 3 inner steps: Hessian products, cross products, ∇_y g, ∇_x g, ∇_y f, ∇_x f
COUNTS = {
    "amigo-gd": (4, 1, 3, 0, 1, 1),
    "amigo-cg": (5, 1, 3, 0, 1, 1),
    "soba": (1, 1, 1, 0, 1, 1),
    "stocbio": (6, 1, 3, 0, 1, 1),
    "f2sa": (0, 0, 6, 2, 3, 1),
    "hjfbio": (0, 0, 3, 2, 1, 1),
}


def run_and_counts(name, iterations):
    cls, _, options, _ = BY_NAME[name]
    problem, _, (x, y, v, _) = synthetic()
    problem.calls.clear()
    method = cls(**options)
    state, powers = method.init(problem, x, y, v, np.random.default_rng(5)), []
    for _ in range(iterations):
        state = method.step(problem, state)
        powers.append(getattr(state, "p", None))
    called = [
        problem.calls.get(what, 0)
        for what in (
            "lower.hessian(x, y) @ v",
            "lower.cross(x, y) @ v",
            "lower.grad_y",
            "lower.grad_x",
            "upper.grad_y",
            "upper.grad_x",
        )
    ]
    assert problem.calls.get("lower.cross(x, y).T @ v", 0) == 0 and problem.calls.get("upper.value", 0) == 0
    return state, called, powers


def check_counts(state, called):
    hvp, cross, grad_y, grad_x, upper_y, upper_x = called
    assert (state.n_hvp, state.n_cross, state.n_grad) == (hvp, cross, grad_y)
    assert getattr(state, "n_grad_x", 0) == grad_x
    # ∇_y f and ∇_x f at one point are one; F2SA takes them at different points
    assert state.n_grad_upper == (upper_y + upper_x if grad_x and upper_y != upper_x else max(upper_y, upper_x))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_formula(name):
    state, called, _ = run_and_counts(name, 7)
    assert called == [7 * count for count in COUNTS[name]]
    check_counts(state, called)


@pytest.mark.parametrize("name, inner", [("bsa", 3), ("ttsa", 1)])
def test_counts_of_random_powers(name, inner):
    state, called, powers = run_and_counts(name, 50)
    assert called == [sum(powers), 50, 50 * inner, 0, 50, 50]
    assert set(powers) == set(
        range(6)
    )  # Q = 6: fails by chance with probability below 6(5/6)^50 = 7e-4, and the seed is fixed
    check_counts(state, called)


def test_counts_of_stable():
    """n_y products a point, two points an iteration except the first."""
    state, called, _ = run_and_counts("stable", 7)
    assert called == [13 * 30, 13 * 30, 7, 0, 7, 7]
    check_counts(state, called)


def test_vectors_of_a_state_are_never_written_again():
    for name, (cls, _, options, _) in BY_NAME.items():
        problem, _, (x, y, v, _) = synthetic()
        method = cls(**options)
        state = method.step(problem, method.init(problem, x, y, v, np.random.default_rng(0)))
        kept = {key: value.copy() for key, value in quantities(state).items() if isinstance(value, np.ndarray)}
        method.step(problem, state)
        for key, value in kept.items():
            np.testing.assert_array_equal(getattr(state, key), value, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("name", BY_NAME)
def test_float32_stays_float32(name):
    cls, _, options, _ = BY_NAME[name]
    options = options | ({"difference": 1e-2} if name == "hjfbio" else {})
    rng = np.random.default_rng(1)
    X, labels = rng.standard_normal((12, 4)).astype(np.float32), rng.integers(3, size=12)
    problem = problems.data_cleaning(X, labels, X, labels, n_classes=3)
    x, y, v = problem.initial_point(0)
    result = minimize(problem, x, y, v0=v, method=cls(**options), maxiter=3, rng=0)
    assert {a.dtype for a in (result.x, result.y, result.v, result.hypergradient)} == {np.dtype(np.float32)}


# -- options ---------------------------------------------------------------------------------

BAD = {
    "positive": (0.0, -1.0, math.nan, math.inf, "0.1", None),
    "not negative": (-0.1, math.nan, math.inf, "1", None),
    "count": (0, -1, 1.5, True, "2", None),
}
KINDS = {
    **dict.fromkeys(
        ("step_x", "step_y", "step_v", "step_z", "penalty", "radius", "cross_norm", "difference", "mu", "momentum"),
        "positive",
    ),
    **dict.fromkeys(("decay_x", "decay_y", "decay_penalty", "penalty_growth"), "not negative"),
    **dict.fromkeys(("inner_steps", "inverse_steps"), "count"),
}
OPTIONAL = {("stable", "mu"), ("stable", "cross_norm"), ("f2sa", "step_z")}  # None is a choice
CHOSEN = ("step_x", "step_y", "step_v")  # by rule where they are None


@pytest.mark.parametrize("name", BY_NAME)
def test_every_option_is_checked_and_named(name):
    cls, _, options, _ = BY_NAME[name]
    for option in (field.name for field in fields(cls)):
        for wrong in BAD[KINDS[option]]:
            if (wrong is None and ((name, option) in OPTIONAL or option in CHOSEN)) or (
                wrong == 0 and (name, option) == ("stocbio", "inverse_steps")
            ):
                continue
            with pytest.raises(ArgumentError) as caught:
                methods.build(name, options | {option: wrong})
            assert caught.value.argument == option
    with pytest.raises(ArgumentError, match="options of"):
        methods.build(name, options | {"stepx": 1.0})


def test_momentum_is_at_most_one():
    with pytest.raises(ArgumentError, match="momentum"):
        STABLE(0.1, 0.1, momentum=1.5)


def test_names():
    assert methods.names()[:2] == ("lancbio", "subbio")
    assert {name for name in methods.names()[2:] if "step_y" in OPTIONS[name]} == set(BY_NAME)


def test_states_expose_what_the_steps_were_made_from():
    """Quantities that the transcriptions do not return, each from its definition at the same point."""
    problem, _, (x, y, v, _) = next(iter(PROBLEMS.values()))()

    def step(method):
        return method.step(problem, method.init(problem, x, y, v, np.random.default_rng(0)))

    close = dict(rtol=1e-9, atol=1e-12)
    s = step(AmIGOCG(**INNER, inverse_steps=3))
    A = problem.hessian(s.x, s.y)
    last = (s.direction - s.residual) / s.delta[-1]  # p_{j+1} = r_{j+1} + δ_{j+1} p_j, and p_jᵀA p_{j+1} = 0
    assert abs(last @ A.matvec(s.direction)) <= 1e-9 * np.linalg.norm(last) * np.linalg.norm(A.matvec(s.direction))
    s = step(AmIGOGD(step_x=0.1, step_y=0.05, step_v=0.04))
    np.testing.assert_allclose(s.direction_y, problem.lower_grad_y(s.x, y), **close)
    np.testing.assert_allclose(s.y, y - 0.05 * s.direction_y, **close)
    s = step(SubBiO(step_x=0.1, step_y=0.05, step_v=0.04))
    np.testing.assert_allclose(s.Av, problem.hessian(s.x, s.y).matvec(v), **close)
    np.testing.assert_allclose(s.second, v - 0.04 * s.Av, **close)
    np.testing.assert_allclose(s.right, s.S.T @ s.b, **close)
    s = step(F2SA(step_x=0.1, step_y=0.05, step_z=0.02, penalty=2.0))
    np.testing.assert_allclose(s.z, y - 0.02 * s.direction_z, **close)
    both = problem.upper_grad_y(s.x, y) + 2.0 * problem.lower_grad_y(s.x, y)
    np.testing.assert_allclose(s.direction_y, both, **close)
    s = step(STABLE(step_x=0.1, step_y=0.05, mu=0.9, cross_norm=0.1))
    np.testing.assert_allclose(s.free_yy, s.A, **close)
    np.testing.assert_allclose(s.free_xy, s.J, **close)
    assert np.linalg.norm(s.H_xy - s.free_xy) > 1e-3  # the projection acts


def test_defaults_are_those_of_the_papers():
    assert (TTSA(1.0, 1.0, 1.0).decay_x, TTSA(1.0, 1.0, 1.0).decay_y) == (0.6, 0.4)
    assert default_options("mnist", "bsa") == dict(
        step_x=500.0, step_y=0.1, step_v=0.05, inner_steps=10, inverse_steps=10
    )
    assert default_options("mnist", "bsa", stochastic=True)["step_x"] == 100
    assert default_options("mnist", "f2sa")["decay_x"] == 1 / 7
