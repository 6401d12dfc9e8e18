"""Each baseline against a dense transcription of its formula, its counts, its rules, and what it refuses."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lancbio_ref import ArgumentError, BilevelProblem, LowerLevel, StepStatus, UpperLevel, methods, minimize, problems
from lancbio_ref.jobs.settings import OPTIONS, default_options
from lancbio_ref.methods import BSA, F2SA, SOBA, STABLE, TTSA, AmIGOCG, AmIGOGD, HJFBiO, StocBiO, SubBiO
from lancbio_ref.methods.stable import lower_singular_values, raise_eigenvalues
from lancbio_ref.operators import DenseOperator
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


# -- rules of single methods -----------------------------------------------------------------


def constant_problem(A, b):
    A, b = np.asarray(A, dtype=float), np.asarray(b, dtype=float)
    J = np.eye(b.size)
    return BilevelProblem(
        UpperLevel(lambda x, y: float(b @ y), lambda x, y: 0 * x, lambda x, y: b),
        LowerLevel(lambda x, y: A @ y, lambda x, y: A, lambda x, y: J),
    )


def one_step(method, problem, n, v0=None):
    zero = np.zeros(n)
    return method.step(problem, method.init(problem, zero, zero, zero if v0 is None else v0, np.random.default_rng(0)))


def test_conjugate_gradients_end_at_the_solution():
    state = one_step(AmIGOCG(0.1, 0.1, inverse_steps=50), constant_problem(np.diag([1.0, 2, 4]), [1, 1, 1]), 3)
    np.testing.assert_allclose(state.v, [1, 0.5, 0.25], rtol=1e-14)
    assert state.n_hvp <= 6 and state.gamma.size == state.delta.size == state.n_hvp - 1


def test_conjugate_gradients_at_an_exact_warm_start_make_one_product():
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([2.0, 4]), [2, 4]), 2, v0=np.ones(2))
    np.testing.assert_array_equal(state.v, [1, 1])
    assert state.n_hvp == 1 and not state.dv.any()


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_conjugate_gradients_at_extreme_scales(size):
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([1.0, 2, 4]), np.full(3, size)), 3)
    np.testing.assert_allclose(state.v / size, [1, 0.5, 0.25], rtol=1e-14)


def test_conjugate_gradients_report_negative_curvature_and_keep_what_they_have():
    state = one_step(AmIGOCG(0.1, 0.1), constant_problem(np.diag([1.0, -2]), [1, 3]), 2, v0=np.array([0.5, 0.5]))
    np.testing.assert_array_equal(state.v, [0.5, 0.5])
    assert state.status == StepStatus.NEGATIVE_CURVATURE and state.status.remedy and state.n_hvp == 2


class Batched(DenseOperator):
    """An operator that hands out a fixed one and counts how often it is asked, as a mini-batched one does."""

    def __init__(self, A):
        super().__init__(A)
        self.asked = 0

    def one_batch(self):
        self.asked += 1
        return DenseOperator(self.A)

    def _matvec(self, v):
        raise AssertionError("a product outside the one batch")


def test_one_batch_serves_a_whole_conjugate_gradient_solve():
    A = Batched(np.diag([1.0, 2, 4]))
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: np.ones(3)),
        LowerLevel(lambda x, y: A.A @ y, lambda x, y: A, lambda x, y: np.eye(3)),
    )
    state = one_step(AmIGOCG(0.1, 0.1), problem, 3)
    np.testing.assert_allclose(state.v, [1, 0.5, 0.25], rtol=1e-13)
    assert A.asked == 1


#: mini-batches of an iteration after the first, by quantity; p of each random power is added for BSA and TTSA
BATCHES = {
    "amigo-gd": {"lower.grad_y": 3, "lower.hessian": 4, "lower.cross": 1},
    "amigo-cg": {"lower.grad_y": 3, "lower.hessian": 1, "lower.cross": 1},
    "soba": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
    "stocbio": {"lower.grad_y": 3, "lower.hessian": 6, "lower.cross": 1},
    "bsa": {"lower.grad_y": 3, "lower.cross": 1},
    "ttsa": {"lower.grad_y": 1, "lower.cross": 1},
    "stable": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
    "f2sa": {"lower.grad_y": 6, "lower.grad_x": 2, "upper.grad_y": 3, "upper.grad_x": 1},
    "hjfbio": {"lower.grad_y": 1, "lower.hessian": 1, "lower.cross": 1},
}


@pytest.mark.parametrize("name", BY_NAME)
def test_batches_are_drawn_as_often_as_the_formula_says(name):
    cls, _, options, _ = BY_NAME[name]
    problem = problems.random_ridge(40, 30, 4, rng=0)
    one = np.ones(4)
    extra = ("p",) if name in ("bsa", "ttsa") else ()
    start = dict(v0=one, method=cls(**options), maxiter=2, batch_size=20, rng=0, trace=extra)
    result = minimize(problem, 0 * one, one, **start)
    drawn = Counter(draw.quantity for draw in result.batches if draw.k == 2)
    expected = {"upper.grad_y": 1, "upper.grad_x": 1} | BATCHES[name]
    if extra:
        expected["lower.hessian"] = int(result.trace["p"][1])  # a batch a factor
        assert expected["lower.hessian"] > 1
    assert {key: count for key, count in drawn.items() if count} == {key: n for key, n in expected.items() if n}
    whole = [
        minimize(problem, 0 * one, one, v0=one, method=cls(**options), maxiter=5, rng=0, **batch).x
        for batch in ({}, {"batch_size": (30, 40)})
    ]
    np.testing.assert_array_equal(*whole)  # all samples are the deterministic method, to the bit


def test_projections_are_the_nearest_matrices():
    H = np.array([[3.0, 0], [0, -1]])
    values, _, raised = raise_eigenvalues(H, 0.5)
    np.testing.assert_allclose(raised, np.diag([3, 0.5]), atol=1e-15)
    assert values.tolist() == [0.5, 3]
    assert raise_eigenvalues(np.eye(2), 0.5)[2].tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(lower_singular_values(np.array([[0, -4.0], [1, 0]]), 2.0), [[0, -2], [1, 0]], atol=1e-15)
    inside = np.ones((2, 3))
    assert lower_singular_values(inside, 2.5) is inside


def test_one_neumann_term_stands_for_the_series():
    """Over the Q equally likely powers, the mean of BSA's v is stocBiO's, with the same number of terms."""

    class Chosen(np.random.Generator):
        def __init__(self, p):
            super().__init__(np.random.PCG64(0))
            self.p = p

        def integers(self, *args, **kwargs):
            return self.p

    problem, _, (x, y, v, _) = synthetic()
    Q = 6
    for cls, extra in ((BSA, {}), (TTSA, dict(decay_x=0.0, decay_y=0.0))):
        method = cls(0.1, 0.03, 0.04, inverse_steps=Q, **extra)
        each = [method.step(problem, method.init(problem, x, y, v, Chosen(p))).v for p in range(Q)]
        series = StocBiO(0.1, 0.03, 0.04, inverse_steps=Q - 1)
        expected = series.step(problem, series.init(problem, x, y, v, np.random.default_rng(0))).v
        np.testing.assert_allclose(np.mean(each, axis=0), expected, rtol=1e-12)


def test_powers_are_uniform():
    """10⁴ draws in Q = 5 cells; χ² with 4 degrees of freedom exceeds 23.5 with probability 1e-4."""
    problem = constant_problem(np.eye(2), [1, 0])
    method = BSA(0.1, 0.1, 0.1, inverse_steps=5)
    state = method.init(problem, np.zeros(2), np.zeros(2), np.zeros(2), np.random.default_rng(0))
    counts = np.zeros(5)
    for _ in range(10_000):
        state = method.step(problem, state)
        counts[state.p] += 1
    assert np.sum((counts - 2000) ** 2 / 2000) < 23.5


def test_the_seed_decides_the_powers():
    problem, _, (x, y, v, _) = synthetic()
    method = TTSA(0.05, 0.03, 0.04)
    runs = [minimize(problem, x, y, v0=v, method=method, maxiter=20, rng=r, trace=("p",)).trace["p"] for r in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_stable_takes_the_problems_own_bounds():
    """Its μ and ‖J‖ are proven, so that no projection acts, and the estimates are the derivatives whatever τ is."""
    problem, theirs, (x, y, v, _) = synthetic()
    method = STABLE(0.05, 0.03, momentum=0.2)
    state = method.init(problem, x, y, v, np.random.default_rng(0))
    for _ in range(5):
        state = method.step(problem, state)
    np.testing.assert_allclose(state.H_yy, theirs.A(state.x, state.y), atol=1e-13 * 20)
    np.testing.assert_allclose(state.H_xy, theirs.J(state.x, state.y), atol=1e-14 * 20)
    with pytest.raises(ArgumentError) as caught:
        one_step(STABLE(0.1, 0.1), constant_problem(np.eye(2), [1, 0]), 2)
    assert caught.value.argument == "mu"


@pytest.mark.parametrize("name", ["f2sa", "hjfbio"])
def test_a_lower_level_without_grad_x_is_refused(name):
    with pytest.raises(ArgumentError) as caught:
        one_step(BY_NAME[name][0](**BY_NAME[name][2]), constant_problem(np.eye(2), [1, 0]), 2)
    assert caught.value.argument == "LowerLevel.grad_x"


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


@pytest.mark.parametrize("name", BY_NAME)
def test_every_option_is_checked_and_named(name):
    cls, _, options, _ = BY_NAME[name]
    for option in cls.__dataclass_fields__:
        for wrong in BAD[KINDS[option]]:
            if (wrong is None and (name, option) in OPTIONAL) or (
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
