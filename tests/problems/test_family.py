"""The family of generalized linear models: bounds against Arb, constants, members, folds, and what it refuses."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from flint import ctx

from lancbio_ref import (
    ArgumentError,
    CertificateStatus,
    HyperObjective,
    LipschitzConstants,
    Proven,
    certify_mu,
    hypergradient,
    lower_solution,
    problems,
)
from lancbio_ref.operators import structure_of
from lancbio_ref.problems.generalized_linear.losses import LOSSES
from tests.problems.glm_cases import LOSSES as NAMES
from tests.problems.glm_cases import cells, draw, mean_truth
from tests.problems.glm_truth import BITS, column, distance
from tests.thorough import THOROUGH

CERTIFIED = CertificateStatus.CERTIFIED
CASES = 1700 if THOROUGH else 25  # of each loss: together 10 000, or 150
family = problems.generalized_linear


def bound_of(found):
    return found.error_bound + found.lower_level_bound


def test_the_cases_have_every_loss():
    assert set(NAMES) == {*LOSSES, "multinomial"}, "a new loss has its name, and its targets, in glm_cases.py"


@pytest.mark.parametrize("loss", NAMES)
def test_hypergradients_are_within_their_bounds_of_arb(loss):
    finite, of_each = 0, cells(loss) if THOROUGH else [{}]
    for seed in range(CASES):
        problem, x, models, kind = draw(seed, loss, **of_each[seed % len(of_each)])
        found = hypergradient(problem, x)
        starts = problem.split(found.lower.y) if len(models) > 1 else [found.lower.y]
        with ctx.workprec(BITS):
            truth = mean_truth(models, x, starts)
        if truth is None:  # where the floats have not found it, of a loss with kinks, Arb does not from there
            assert not found.success and bound_of(found) == math.inf, kind
            continue
        y, phi, gradient = truth
        bound = bound_of(found)
        assert distance(found.value, gradient) <= bound, kind
        assert distance(found.lower.y, [a for part in y for a in part]) <= found.lower.error_bound, kind
        if bound < math.inf:
            finite += 1
            assert found.certificate.error == found.certificate.lower_level == CERTIFIED, kind
        if seed % 4 == 0:
            at = HyperObjective(problem, accuracy=0.0, relative=0.0, strict=False).evaluate(x)
            assert distance([at.value], [phi]) <= at.value_bound, kind
    assert finite >= 0.9 * CASES  # where a score is at a kink, or float32 leaves no ball, there is no bound


@pytest.mark.parametrize("loss", NAMES)
def test_what_rounds_is_within_its_bounds_anywhere(loss):
    rng = np.random.default_rng(7)
    for seed in range(CASES // 2):
        problem, x, (model, *_), kind = draw(seed, loss, folds=0)
        y = (10 ** rng.uniform(-2, 1) * rng.standard_normal(problem.n_y)).astype(x.dtype)
        x, y = problem.promoted(x, y)
        point, v = problem.linearize(x, y), rng.standard_normal(y.size).astype(y.dtype)
        known = point.formation
        with ctx.workprec(BITS):
            f, gradient, A, J, b = model.derivatives(x, y)
            Av, Jv = (A * column(v)).entries(), (J * column(v)).entries()
        size = float(np.linalg.norm(v.astype(float)))
        assert distance([problem.value(x, y)], [f]) <= known["value"], kind
        assert distance(point.grad_y, gradient.entries()) <= known["grad_y"], kind
        assert distance(point.b, b.entries()) <= known["b"], kind
        for operator, name, truth in ((structure_of(point.A), "A", Av), (structure_of(point.J), "J", Jv)):
            own = operator.product_factor(v.dtype) * operator.abs_product(np.abs(v))
            own = float(np.linalg.norm(own)) * (1 + 1e-6) + 1e-30
            assert distance(operator.matvec(v), truth) <= known[name] * size * (1 + 1e-6) + own, kind


@pytest.mark.parametrize("loss", NAMES)
def test_constants_hold_between_y_and_the_minimizer(loss):
    rng = np.random.default_rng(3)
    for seed in range(CASES // 2):
        problem, x, _, kind = draw(seed, loss, folds=0, dtype=np.float64)
        solved = lower_solution(problem, x, tol=1e-10).y
        y = solved + 10 ** rng.uniform(-9, -4) * rng.standard_normal(solved.size)
        here, there = problem.linearize(x, y), problem.linearize(x, solved + rng.random() * (y - solved))
        A, B, J, K = (structure_of(op).toarray() for op in (here.A, there.A, here.J, there.J))
        far = float(np.linalg.norm(y - there.at[1]))
        noise = 1e-13 * (1 + np.linalg.norm(A) + np.linalg.norm(J))
        for matrix in (A, B):
            eigenvalues = np.linalg.eigvalsh((matrix + matrix.T) / 2)
            assert here.mu is None or eigenvalues[0] >= here.mu - noise, kind
        assert np.linalg.eigvalsh((A + A.T) / 2)[-1] <= here.smoothness + noise, kind
        assert np.linalg.norm(J, 2) <= here.cross_norm + noise, kind
        if (known := here.lipschitz) is not None:
            assert all(isinstance(c, Proven) for c in (known.fx, known.fy, known.gxy, known.gyy))
            assert np.linalg.norm(B - A, 2) <= known.gyy * far + noise, kind
            assert np.linalg.norm(K - J, 2) <= known.gxy * far + noise, kind
            assert np.linalg.norm(there.b - here.b) <= known.fy * far + noise, kind


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("weights", ["fixed", "sigmoid", "softplus", "simplex"])
def test_derivatives_agree_with_finite_differences(loss, weights):
    problem, x, _, _ = draw(11, loss, weights=weights, folds=0, penalty="feature", dtype=np.float64)
    report = problem.check(x, 0.3 * np.ones(problem.n_y), rng=0)
    assert report and {row.verdict for row in report} == {"ok"}, str(report)


# -- members ---------------------------------------------------------------------------------


def data(seed=0, n=12, m=9, p=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)), rng.standard_normal((m, p)), rng


def same(old, new, shift, y, x):
    """Two problems whose x differ by a shift have the same derivatives, to rounding."""
    z = x + shift
    pairs = [
        (old.value(x, y), new.value(z, y)),
        (old.lower_value(x, y), new.lower_value(z, y)),
        (old.lower_grad_y(x, y), new.lower_grad_y(z, y)),
        (old.lower_grad_x(x, y), new.lower_grad_x(z, y)),
        (old.upper_grad_y(x, y), new.upper_grad_y(z, y)),
        (old.hessian(x, y).matvec(y), new.hessian(z, y).matvec(y)),
        (old.cross(x, y).matvec(y), new.cross(z, y).matvec(y)),
    ]
    for a, b in pairs:
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)
    a, b = hypergradient(old, x), hypergradient(new, z)
    bound = a.error_bound + a.lower_level_bound + b.error_bound + b.lower_level_bound
    assert np.linalg.norm(a.value - b.value) <= bound < 1e-6


def test_ridge_is_a_member():
    X, V, rng = data()
    t, t_val = rng.standard_normal(12), rng.standard_normal(9)
    new = family(X, t, validation=(V, t_val), penalty="feature")
    same(problems.ridge(X, t, V, t_val), new, 0.0, rng.standard_normal(3), rng.standard_normal(3))


@pytest.mark.parametrize(("classes", "weights"), [(2, "all"), (2, "feature"), (3, "feature"), (3, "class")])
def test_logistic_is_a_member(classes, weights):
    X, V, rng = data()
    labels, labels_val = np.arange(12) % classes, np.arange(9) % classes
    old = problems.logistic(X, labels, V, labels_val, weights=weights)
    loss = "logistic" if classes == 2 else "multinomial"
    new = family(X, labels, loss=loss, validation=(V, labels_val), penalty=weights)
    shift = -math.log(old.n_y)  # its penalties are exp(x)/(Cp)
    same(old, new, shift, rng.standard_normal(old.n_y), rng.standard_normal(old.n_x))


def test_data_cleaning_is_a_member():
    X, V, rng = data()
    labels, labels_val = np.arange(12) % 3, np.arange(9) % 3
    old = problems.data_cleaning(X, labels, V, labels_val, regularization=0.03125, n_classes=3)
    ones = lambda Z: np.hstack([Z, np.ones((len(Z), 1))])  # noqa: E731 - its bias is penalized as all else is
    given = dict(loss="multinomial", validation=(ones(V), labels_val), penalty="none", fixed=0.0625, weights="sigmoid")
    new = family(ones(X), labels, **given)
    same(old, new, 0.0, rng.standard_normal(old.n_y), rng.standard_normal(old.n_x))


# -- folds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("weights", ["fixed", "sigmoid"])
def test_folds_are_the_mean_over_separate_problems(loss, weights):
    rng = np.random.default_rng(4)
    X, t = rng.standard_normal((12, 2)), np.arange(12) % (3 if loss == "multinomial" else 2)
    pairs = [(np.flatnonzero(np.arange(12) % 3 != k), np.flatnonzero(np.arange(12) % 3 == k)) for k in range(3)]
    if loss == "multinomial":  # every class in every training set
        pairs = [(np.setdiff1d(np.arange(12), held), held) for held in np.arange(12).reshape(3, 4)]
    given = dict(loss=loss, penalty="feature", weights=weights, intercept=True, intercept_ridge=0.01)
    omega = np.array([1.0, 2.0, 1.0])
    whole = family(X, t, folds=pairs, fold_weights=omega, **given)
    x = rng.uniform(-2, 0, whole.n_x)
    found, parts = hypergradient(whole, x), []
    bound = found.error_bound + found.lower_level_bound
    for (rows, held), share in zip(pairs, omega / 4, strict=True):
        own = x if weights == "fixed" else np.concatenate([x[:2], x[2:][rows]])
        part = family(X[rows], t[rows], validation=(X[held], t[held]), **given)
        h = hypergradient(part, own)
        full = np.zeros_like(x)
        full[:2] = h.value[:2]
        if weights != "fixed":
            full[2 + rows] = h.value[2:]
        parts.append(share * full)
        bound += share * (h.error_bound + h.lower_level_bound)
    assert np.linalg.norm(found.value - np.sum(parts, axis=0)) <= bound < 1e-4
    assert found.certificate.error == found.certificate.lower_level == CERTIFIED


def test_leaving_one_out_of_a_ridge_has_a_closed_form():
    """e_i = (t_i − ŷ_i)/(1 − H_ii) for the ridge with n − 1 observations: its penalty next to a mean is λ(n−1)⁻¹."""
    rng = np.random.default_rng(5)
    n, p, lam = 9, 3, 2.5
    X, t = rng.standard_normal((n, p)), rng.standard_normal(n)
    everyone = np.arange(n)
    folds = [(np.delete(everyone, i), np.array([i])) for i in range(n)]
    problem = family(X, t, folds=folds, penalty="all")

    def phi(lam):
        H = X @ np.linalg.solve(X.T @ X + lam * np.eye(p), X.T)
        return 0.5 * np.mean(((t - H @ t) / (1 - np.diag(H))) ** 2)

    at = HyperObjective(problem, accuracy=1e-10).evaluate([math.log(lam / (n - 1))])
    assert at.value == pytest.approx(phi(lam), rel=1e-12) and at.value_bound < 1e-12
    difference = (phi(lam * math.exp(1e-4)) - phi(lam * math.exp(-1e-4))) / 2e-4
    assert at.gradient[0] == pytest.approx(difference, rel=1e-6) and at.guaranteed


def test_folds_come_from_splitters_masks_and_index_arrays():
    from sklearn.model_selection import KFold

    X, _, rng = data(n=12)
    t = rng.standard_normal(12)
    by_splitter = family(X, t, folds=KFold(3))
    by_index = family(sp.csc_array(X), t, folds=list(KFold(3).split(X)))
    by_mask = family(X, t, folds=[(np.isin(np.arange(12), a), np.isin(np.arange(12), b)) for a, b in KFold(3).split(X)])
    x = rng.standard_normal(3)
    values = [hypergradient(problem, x).value for problem in (by_splitter, by_index, by_mask)]
    assert (values[0] == values[2]).all()
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)


def test_a_mean_over_black_boxes_keeps_what_they_know():
    parts = [problems.quadratic(2, 3, rng=seed) for seed in (0, 1)]
    whole = problems.Folds(parts, [1.0, 3.0])
    found = hypergradient(whole, [0.5, -0.5])
    truth = sum(w * part.hypergradient(np.array([0.5, -0.5])) for w, part in zip((0.25, 0.75), parts, strict=True))
    assert np.linalg.norm(found.value - truth) <= found.error_bound + found.lower_level_bound < 1e-8
    with pytest.raises(ArgumentError, match="n_x"):
        problems.Folds([parts[0], problems.quadratic(3, 3, rng=0)])
    for weights in ([1.0], [0.0, 0.0], [-1.0, 2.0]):
        with pytest.raises(ArgumentError, match="weights"):
            problems.Folds(parts, weights)


# -- what is known, and what is not ----------------------------------------------------------


def test_an_unpenalized_feature_takes_its_modulus_from_the_data():
    X, V, rng = data(p=2)
    t, t_val = rng.poisson(2.0, 12), rng.poisson(2.0, 9)
    for loss, targets, held in (("poisson", t, t_val), ("squared", t, t_val), ("logistic", t % 2, t_val % 2)):
        problem = family(X, targets, loss=loss, validation=(V, held), unpenalized=[1])
        y = lower_solution(problem, [0.0, 0.0], tol=1e-12).y
        point = problem.linearize(np.zeros(2), y)
        assert isinstance(point.mu, Proven) and certify_mu(structure_of(point.A), 0.999 * point.mu)
        assert isinstance(point.lipschitz, LipschitzConstants)
        found = hypergradient(problem, np.zeros(2), y)
        assert found.certificate.lower_level == CERTIFIED and found.lower_level_bound < 1e-6
    wide = family(
        X[:1], t[:1].astype(float), validation=(V, t_val), penalty="all", unpenalized=[0, 1], weights="sigmoid"
    )
    found = hypergradient(wide, np.zeros(2))
    assert found.certificate.error == CertificateStatus.NONE and found.error_bound == math.inf


def test_a_score_at_a_kink_leaves_no_bound():
    X = np.array([[1.0]])
    problem = family(X, [1], loss="squared_hinge", validation=(X, [1]), penalty="all")
    at_kink = problem.linearize(np.zeros(1), np.ones(1))
    assert at_kink.lipschitz is None  # t s = 1
    found = hypergradient(problem, np.zeros(1))  # y* = ½
    assert found.certificate.lower_level == CERTIFIED and found.lower_level_bound < 1e-12
    assert hypergradient(problem, np.zeros(1), np.ones(1)).lower_level_bound == math.inf


def test_an_intercept_costs_a_certificate_little():
    """With its tiny ridge alone for μ, a bound would be 10¹² times as large."""
    X, V, rng = data(n=60, m=40)
    labels, held = (X[:, 0] + rng.standard_normal(60) > 1).astype(int), np.arange(40) % 2
    for loss in ("logistic", "multinomial"):
        problem = family(X, labels, loss=loss, validation=(V, held), penalty="all", intercept=True)
        found = hypergradient(problem, [-2.0])
        assert found.certificate.mu.value > 0.01 and found.error_bound + found.lower_level_bound < 1e-6
        assert problem.scores(found.lower.y, V).shape == (40, problem.n_scores)


def test_centring_is_the_intercept_of_the_squared_loss():
    X, V, rng = data()
    offset = np.array([5.0, -3.0, 0.0])
    X, V = X + offset, V + offset
    t, t_val, s = X[:, 0] + 7.0, rng.standard_normal(9), rng.uniform(0.5, 2, 12)
    centred = family(X, t, validation=(V, t_val), intercept="centre", sample_weight=s)
    column = family(X, t, validation=(V, t_val), intercept=True, intercept_ridge=1e-12, sample_weight=s)
    x = np.array([-1.0, 0.0, 1.0])
    a, b = (hypergradient(problem, x) for problem in (centred, column))
    np.testing.assert_allclose(a.value, b.value, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(centred.scores(a.lower.y, V), column.scores(b.lower.y, V), rtol=1e-6)


def test_problems_are_pickled():
    problem, x, _, _ = draw(3, "poisson", folds=2, weights="fixed")
    again = pickle.loads(pickle.dumps(problem))
    assert (hypergradient(again, x).value == hypergradient(problem, x).value).all()


GOOD = dict(X=np.eye(4), t=np.array([0, 1, 0, 1]), loss="logistic", validation=(np.eye(4), [0, 1, 0, 1]))
HALVES = [(np.arange(2), np.arange(2, 4))]


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        (dict(X=np.ones(4)), "X"),
        (dict(X=sp.csr_array(np.full((4, 4), np.inf))), "X"),
        (dict(X=np.empty((4, 0))), "X"),
        (dict(t=[0, 1]), "t"),
        (dict(t=[0, 1, 2, 3]), "t"),
        (dict(validation=None), "validation"),
        (dict(folds=HALVES), "validation"),
        (dict(validation=np.eye(4)), "validation"),
        (dict(validation=(np.eye(3), [0, 1, 0])), "X_val"),
        (dict(validation=(np.eye(4), [0, 1, 0, np.nan])), "t_val"),
        (dict(validation=None, folds=[]), "folds"),
        (dict(validation=None, folds=[(np.arange(2), [])]), "folds[0][1]"),
        (dict(validation=None, folds=[(np.arange(5), np.arange(2))]), "folds[0][0]"),
        (dict(validation=None, folds=[(np.array([0, 2]), np.arange(2))]), "folds[0][0]"),
        (dict(penalty="row"), "penalty"),
        (dict(penalty="class"), "penalty"),
        (dict(penalty="none"), "penalty"),
        (dict(penalty="group"), "groups"),
        (dict(groups=[0, 0, 1, 1]), "groups"),
        (dict(penalty="group", groups=[0, 1]), "groups"),
        (dict(penalty="group", groups=[0, 0, 2, 2]), "groups"),
        (dict(fixed=-1.0), "fixed"),
        (dict(fixed=[1.0]), "fixed"),
        (dict(fixed=1e60), "fixed"),
        (dict(unpenalized=[4]), "unpenalized"),
        (dict(weights="unknown"), "weights"),
        (dict(sample_weight=np.zeros(4)), "sample_weight"),
        (dict(sample_weight=-np.ones(4)), "sample_weight"),
        (dict(sample_weight=np.ones(3)), "sample_weight"),
        (dict(intercept="center"), "intercept"),
        (dict(intercept="centre"), "intercept"),
        (dict(intercept=True, intercept_ridge=0.0), "intercept_ridge"),
        (dict(loss="multinomial", n_classes=1), "n_classes"),
        (dict(loss="squared", validation=None, folds=HALVES, fold_weights=[1.0, 2.0]), "weights"),
    ],
)
def test_what_cannot_be_used_is_refused(change, argument):
    family(**GOOD)
    with pytest.raises(ArgumentError) as caught:
        family(**(GOOD | change))
    assert caught.value.argument == argument


# -- portions --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fixed", "sigmoid", "softplus", "simplex"])
def test_weights_of_a_portion_round_within_their_bounds(kind):
    """Against rationals where that is all of a weight, else float32 against float64."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        s = rng.uniform(0.01, 5, 11)
        X, t = rng.standard_normal((11, 2)), rng.standard_normal(11)
        rows, given = np.sort(rng.choice(11, 4, replace=False)), dict(penalty="none", fixed=1.0)
        given = dict(penalty="all") if kind == "fixed" else given | dict(weights=kind)
        whole = family(X, t, validation=(X, t, s), sample_weight=s, **given)
        part = whole.minibatch(upper=rows, lower=rows)
        x = rng.uniform(-6, 6, whole.weighting.n)
        exact = [Fraction(s[i]) / sum(map(Fraction, s)) * Fraction(11, 4) for i in rows]
        for base in (part.validation.base, part.weighting.base):
            wrong = [abs(Fraction(b) / e - 1) for b, e in zip(base, exact, strict=True)]
            assert max(wrong) <= part.validation.roundings * Fraction(2) ** -53
        own, x = part.weighting, x.astype(np.float32)
        narrow, wide = np.dtype(np.float32), np.dtype(np.float64)
        off = own.values(x, narrow) / own.values(x.astype(wide), wide) - 1
        assert np.abs(off).max() <= own.error(x, narrow) < 1e-4
        if kind != "fixed":
            off = own.slopes(x, narrow) / own.slopes(x.astype(wide), wide) - 1
            assert np.abs(off).max() <= own.slope_error(x, narrow) < 1e-4
