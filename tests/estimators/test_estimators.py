"""What the estimators learn: against scikit-learn's own fits and grids, on easy and on hostile data."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import KFold, PredefinedSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lancbio_ref import ArgumentError
from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelRidge,
)
from lancbio_ref.estimators.direct import DirectObjective
from lancbio_ref.problems import generalized_linear
from tests.estimators.estimator_data import COUNTS, CX, CY, X, Y, log_loss, poisson_loss, squared_loss


def cross_validated(make, loss, X, y, cv):
    return np.mean([loss(make(len(a)).fit(X[a], y[a]), X[b], y[b]) for a, b in cv.split(X, y)])


SKLEARN = {
    "ridge": (BilevelRidge, Y, KFold(5), lambda lam, n: Ridge(alpha=n * lam), squared_loss),
    "poisson": (
        BilevelPoissonRegressor,
        COUNTS,
        KFold(5),
        lambda lam, n: PoissonRegressor(alpha=lam, tol=1e-9, solver="newton-cholesky"),
        poisson_loss,
    ),
    "logistic": (
        BilevelLogisticRegression,
        (np.median(Y) < Y).astype(int),
        StratifiedKFold(5),
        lambda lam, n: LogisticRegression(C=1 / (n * lam), tol=1e-9, max_iter=5000),
        log_loss,
    ),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_one_penalty_beats_a_grid_and_is_scikit_learns_fit(name):
    make, y, cv, other, loss = SKLEARN[name]
    data = X + (np.random.default_rng(2).standard_normal(X.shape) if name == "logistic" else 0.0)
    model = make(penalty="all", cv=cv, tol=1e-5).fit(data, y)
    lam = float(model.penalties_[0])
    theirs = other(lam, len(y)).fit(data, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_, rtol=1e-3, atol=1e-4)
    assert model.validation_loss_ == pytest.approx(
        cross_validated(lambda n: other(lam, n), loss, data, y, cv), rel=1e-5, abs=1e-6
    )
    grid = min(cross_validated(lambda n, a=a: other(a, n), loss, data, y, cv) for a in np.logspace(-4, 0, 4))
    assert model.validation_loss_ <= grid * (1 + 1e-6)
    assert str(model.certificate_.error) == str(model.certificate_.lower_level) == "certified"
    assert model.hypergradient_norm_ <= 2e-5 * max(model.path_[0]["value"], 1.0) and model.hypergradient_bound_ < 1e-4
    assert model.score(data, y) > 0.1 and model.n_iter_ >= 1


def test_three_classes_are_scikit_learns_multinomial_fit():
    model = BilevelLogisticRegression(penalty="all", cv=3, tol=1e-5).fit(CX, CY)
    theirs = LogisticRegression(C=1 / (len(CY) * model.penalties_[0]), tol=1e-10, max_iter=5000).fit(CX, CY)
    np.testing.assert_allclose(model.predict_proba(CX), theirs.predict_proba(CX), atol=1e-4)
    np.testing.assert_allclose(model.predict_log_proba(CX), np.log(model.predict_proba(CX)), rtol=1e-9)
    assert model.decision_function(CX).shape == (90, 3)
    of_classes = BilevelLogisticRegression(penalty="class", cv=3).fit(CX, CY)
    assert of_classes.penalties_.shape == (3,)
    assert of_classes.validation_loss_ <= model.validation_loss_ * (1 + 1e-4)


def test_a_penalty_a_feature_finds_the_features_that_matter():
    model = BilevelRidge().fit(X, Y)
    assert set(np.argsort(model.penalties_)[:2]) == {0, 1}
    assert model.validation_loss_ < BilevelRidge(penalty="all").fit(X, Y).validation_loss_


def test_units_change_nothing_where_each_feature_has_its_penalty():
    units = 10.0 ** np.array([4, -4, 0, 2, -2, 6, -6, 0])
    for make, y in ((BilevelRidge, Y), (BilevelPoissonRegressor, COUNTS)):
        plain, scaled = make().fit(X, y), make().fit(X * units, y)
        np.testing.assert_allclose(scaled.predict(X * units), plain.predict(X), rtol=1e-5)
        np.testing.assert_allclose(scaled.log_penalties_ - 2 * np.log(units), plain.log_penalties_, atol=1e-3)


def test_small_units_of_the_target_change_nothing():
    """L-BFGS-B compares a decrease with max(|φ|, 1)."""
    plain, small = BilevelRidge(cv=3).fit(X, Y), BilevelRidge(cv=3).fit(X, 1e-6 * Y)
    np.testing.assert_allclose(small.predict(X), 1e-6 * plain.predict(X), rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(small.penalties_, plain.penalties_, rtol=0.05, atol=1e-4)


def test_gradients_where_penalties_all_but_vanish():
    """At penalties of 1e-8 a fit to a small gradient is wrong by a tenth, and a Lanczos process sees no end."""
    from sklearn.datasets import load_wine

    features, labels = load_wine(return_X_y=True)
    features = StandardScaler().fit_transform(features)
    problem = generalized_linear(
        features, labels, loss="multinomial", folds=StratifiedKFold(2), penalty="feature", intercept=True
    )
    direct, x = DirectObjective(problem, np.zeros(problem.n_y), 1.0), np.full(13, -18.0)
    gradient = direct(x)[1]
    size = np.linalg.norm(gradient)
    step = 0.01 * gradient / size
    difference = (direct(x + step)[0] - direct(x - step)[0]) / 0.02
    assert size > 1e-2 and difference == pytest.approx(size, rel=2e-3)
    value, found = direct.certified(x)
    assert value == pytest.approx(direct(x)[0], rel=1e-6) and found.n_hvp < 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = BilevelLogisticRegression(cv=2, bounds=(-22.0, -21.0), max_iter=3).fit(features, labels)
    assert model.hypergradient_bound_ > model.validation_loss_ and "says nothing" in model.message_


def test_labels_of_any_kind():
    words = np.array(["bird", "cat", "dog"])[CY]
    model = BilevelLogisticRegression(penalty="all", cv=3).fit(CX, words)
    assert set(model.predict(CX)) <= {"bird", "cat", "dog"} and model.score(CX, words) > 0.6
    signed = BilevelLogisticRegression(penalty="all", cv=3).fit(CX, np.where(CY == 0, -1, 1))
    assert set(signed.predict(CX)) == {-1, 1} and signed.coef_.shape == (1, 5)


def test_groups_have_labels_of_any_kind():
    groups = np.array(["matters", "matters"] + 6 * ["noise"])
    model = BilevelRidge(penalty="group", groups=groups).fit(X, Y)
    assert model.penalties_.shape == (2,) and model.penalties_[0] < model.penalties_[1]
    for wrong in (groups[:3], None):
        with pytest.raises(ValueError, match="groups"):
            BilevelRidge(penalty="group", groups=wrong).fit(X, Y)


def test_splits_of_every_kind():
    halves = np.arange(30), np.arange(30, 60)
    fold = np.r_[np.full(30, -1), np.zeros(30, int)]
    models = [BilevelRidge(penalty="all", cv=cv).fit(X, Y) for cv in (halves, [halves], PredefinedSplit(fold))]
    assert models[0].validation_loss_ == models[1].validation_loss_ == models[2].validation_loss_


def test_sparse_data_are_taken_as_they_are():
    S = np.where(np.abs(X - 2) > 1, X - 2, 0.0)
    dense = BilevelRidge(fit_intercept=False).fit(S, Y)
    sparse = BilevelRidge(fit_intercept=False).fit(sp.csc_array(S), Y)
    np.testing.assert_allclose(sparse.predict(sp.csr_array(S)), dense.predict(S), rtol=1e-4, atol=1e-4)
    with_intercept = BilevelRidge().fit(sp.csr_array(S), Y)
    assert squared_loss(with_intercept, sp.csr_array(S), Y) < squared_loss(dense, S, Y)


def test_more_coefficients_than_a_factorization_takes():
    rng = np.random.default_rng(3)
    wide = rng.standard_normal((40, 850))
    y = wide[:, 0] * 3 + 0.1 * rng.standard_normal(40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = BilevelRidge(penalty="all", cv=2, max_iter=5).fit(wide, y)
    assert model.n_hessian_products_ > 20 and model.coef_.shape == (850,)
    assert abs(model.coef_[0]) == np.abs(model.coef_).max()


def test_warm_starts_and_other_methods_end_where_auto_does():
    model = BilevelRidge(penalty="all", warm_start=True).fit(X, Y)
    first, penalty = len(model.path_), model.penalties_[0]
    model.fit(X, Y)
    assert len(model.path_) < first and model.penalties_[0] == pytest.approx(penalty, rel=0.1)
    for method in ("TNC", "SLSQP"):
        other = BilevelRidge(penalty="all", method=method).fit(X, Y)
        assert other.validation_loss_ == pytest.approx(model.validation_loss_, rel=2e-3)
    with pytest.warns(ConvergenceWarning, match="lower bound"):
        boxed = BilevelRidge(penalty="all", method="recycled-newton", bounds=(-1.0, 3.0)).fit(X, Y)
    assert boxed.log_penalties_[0] == -1.0 and boxed.hypergradient_norm_ == 0.0 and "CONVERGED" in boxed.message_
    steps = dict(step_x=0.05, step_y=0.05, step_v=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        single = BilevelRidge(penalty="all", method="soba", method_options=steps, max_iter=300).fit(X, Y)
    assert single.validation_loss_ <= single.path_[0]["value"]
    with pytest.raises(ArgumentError, match="method"):
        BilevelRidge(method="newton").fit(X, Y)


def test_a_table_with_strings_and_gaps_in_a_pipeline():
    pd = pytest.importorskip("pandas")
    from sklearn.impute import SimpleImputer

    rng = np.random.default_rng(0)
    size = rng.standard_normal(80)
    table = pd.DataFrame({"size": size, "colour": np.resize(["red", "blue", None], 80), "age": rng.uniform(0, 9, 80)})
    table.loc[::7, "age"] = np.nan
    prepare = make_column_transformer(
        (OneHotEncoder(), ["colour"]),  # a gap is a colour of its own
        (make_pipeline(SimpleImputer(), StandardScaler()), ["size", "age"]),
    )
    label = np.where(size + 0.5 * rng.standard_normal(80) > 0, "big", "small")
    model = make_pipeline(prepare, BilevelLogisticRegression(penalty="all")).fit(table, label)
    assert model.score(table, label) > 0.8
    named = BilevelRidge(penalty="all").fit(table[["size"]], size + rng.standard_normal(80))
    assert list(named.feature_names_in_) == ["size"]


def test_clones_pickles_pages_and_figures():
    import matplotlib

    matplotlib.use("Agg")
    model = BilevelRidge(cv=3, tol=1e-2).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(X) == model.predict(X)).all()
    assert not hasattr(clone(model), "coef_") and clone(model).cv == 3
    assert "BilevelRidge" in model._repr_html_()
    ax = model.plot_path()
    assert len(ax.lines[0].get_xdata()) == len(model.path_)
    assert len(model.plot_penalties().lines[0].get_xdata()) == 8
    matplotlib.pyplot.close("all")


def test_a_start_that_is_good_for_one_penalty_in_all_is_not_the_end_for_one_a_feature():
    """At the best single penalty the gradient is 4e-5 of the loss, and the loss can still fall by 1.8 %."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    one, each = (BilevelRidge(penalty=name, cv=KFold(5), spread=None).fit(X, y) for name in ("all", "feature"))
    assert each.n_iter_ > 5 and each.validation_loss_ < 0.985 * one.validation_loss_


def test_newtons_method_goes_by_what_it_minimizes():
    """A step to where all scores are saturated makes a gradient of the logistic loss smaller, and the loss larger."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        Z = rng.standard_normal((60, 30)) * 10.0 ** rng.uniform(-1, 2, 30)
        t = (rng.random(60) < 0.1).astype(int)
        t[:2] = 0, 1
        problem = generalized_linear(Z, t, loss="logistic", validation=(Z, t), penalty="all", intercept=True)
        start = 0.3 * rng.standard_normal(problem.n_y)
        x = np.array([-20.0])
        y = DirectObjective(problem, start, 0.3).solve(x)
        assert problem.lower_value(x, y) <= problem.lower_value(x, 0 * start)
        assert np.linalg.norm(problem.lower_grad_y(x, y)) < 1e-8


def test_no_bit_depends_on_the_number_of_jobs():
    for make, y in ((BilevelRidge, Y), (BilevelLogisticRegression, Y > 0)):
        one, two = (make(cv=3, tol=1e-3, n_jobs=n_jobs).fit(X, y) for n_jobs in (None, 2))
        assert (one.penalties_ == two.penalties_).all() and (one.coef_ == two.coef_).all()
        assert one.path_[-1]["work"] == two.path_[-1]["work"] and one.hypergradient_bound_ == two.hypergradient_bound_
    for wrong in (0, 1.5, "all"):
        with pytest.raises(ValueError, match="n_jobs"):
            BilevelRidge(n_jobs=wrong).fit(X, Y)
