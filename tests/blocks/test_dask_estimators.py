"""Estimators of data that Dask has: what they learn in memory from the same split, and predictions that stay lazy."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

distributed = pytest.importorskip("distributed", reason="Dask is not installed: make test-guests installs it")
da = pytest.importorskip("dask.array", reason="Dask's arrays are not installed")

from lancbio_ref.estimators import (  # noqa: E402
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*penalties ran to")  # at the bound, as the same fit in memory
N, P = 600, 2


@pytest.fixture(scope="module", autouse=True)
def client():
    with distributed.Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as client:
        yield client


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) * np.array([1.0, 3.0])
    scores = 0.5 * X[:, 0] - 0.2 * X[:, 1]
    y = scores + rng.standard_normal(N)
    return X, {"ridge": y, "logistic": np.where(y > 0, "yes", "no"), "poisson": rng.poisson(np.exp(scores))}


MODELS = {"ridge": BilevelRidge, "logistic": BilevelLogisticRegression, "poisson": BilevelPoissonRegressor}
SPLIT = np.arange(0, 450), np.arange(450, N)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_learned_is_what_is_learned_in_memory(data, name):
    X, y = data[0], data[1][name]
    options = dict(penalty="all", cv=SPLIT, tol=1e-3, bounds=(-3.0, 1.0))
    lazy, targets = da.from_array(X, chunks=(400, 1)), da.from_array(y, chunks=300)
    there, here = MODELS[name](**options).fit(lazy, targets), MODELS[name](**options).fit(X, y)
    np.testing.assert_allclose(there.coef_, here.coef_, rtol=2e-2, atol=1e-3)
    np.testing.assert_allclose(there.intercept_, here.intercept_, rtol=2e-2, atol=1e-3)
    assert str(there.certificate_.lower_level) == "certified" and there.n_features_in_ == P
    predicted = there.predict(lazy)
    assert isinstance(predicted, da.Array) and (predicted.compute() == there.predict(X)).all()
    assert there.score(lazy, targets) == pytest.approx(there.score(X, y))
    if name == "logistic":
        assert there.classes_.tolist() == ["no", "yes"]
        np.testing.assert_array_equal(there.predict_proba(lazy).compute(), there.predict_proba(X))


def test_folds_are_those_in_memory_and_share_their_round_trips(data, monkeypatch):
    from lancbio_ref.blocks.dask import DaskBlocks

    readings, there = [], DaskBlocks.map
    monkeypatch.setattr(
        DaskBlocks, "map", lambda self, *given: readings.append(given[0].__name__) or there(self, *given)
    )
    X, y = data[0], data[1]["logistic"]
    options = dict(penalty="all", cv=3, tol=1e-3, bounds=(-3.0, 1.0))
    lazy, targets = da.from_array(X, chunks=(400, 1)), da.from_array(y, chunks=300)
    model = BilevelLogisticRegression(**options).fit(lazy, targets)  # the folds are stratified
    np.testing.assert_allclose(model.coef_, BilevelLogisticRegression(**options).fit(X, y).coef_, rtol=2e-2, atol=1e-3)
    assert str(model.certificate_.lower_level) == "certified" and readings.count("_several") > 10


def test_a_frame_gives_its_columns_names(data):
    pandas, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame(data[0], columns=["a", "b"]).assign(y=data[1]["ridge"])
    lazy = dd.from_pandas(frame, npartitions=3)
    model = BilevelRidge(penalty="feature", tol=1e-2, bounds=(-6, 2)).fit(lazy[["a", "b"]], lazy["y"])
    assert model.feature_names_in_.tolist() == ["a", "b"] and model.penalties_.shape == (2,)
    assert np.array_equal(model.predict(lazy[["a", "b"]]).compute(), model.predict(frame[["a", "b"]]))


def test_what_needs_data_in_memory_says_so(data):
    X, y = da.from_array(data[0], chunks=(300, P)), da.from_array(data[1]["ridge"], chunks=300)
    with pytest.raises(ValueError, match=r"(?i)cv.*expected|cv.*integer"):
        BilevelRidge(cv="five").fit(X, y)
    for bounds in (3.0, (-np.inf, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="bounds must be"):
            BilevelRidge(bounds=bounds).fit(X, y)
    ones, halves = da.ones((512, 2), chunks=(128, 2)), (np.arange(256), np.arange(256, 512))  # a pivot is exactly 0
    given = dict(penalty="all", fit_intercept=False, cv=halves, tol=1e-2)
    with pytest.warns(ConvergenceWarning):
        model = BilevelRidge(bounds=(-500, 2), **given).fit(ones, da.arange(512.0, chunks=128))
    assert "not positive definite" in model.message_ and np.isfinite(model.coef_).all()
    with pytest.raises(ValueError, match="not positive definite"):
        BilevelRidge(bounds=(-500, -400), **given).fit(ones, da.arange(512.0, chunks=128))
    with pytest.raises(ValueError, match="BilevelReweighter takes no data of Dask"):
        BilevelReweighter().fit(X, y)
    with pytest.raises(ValueError, match=r"block 1.*nan"):
        BilevelRidge().fit(with_nan(data[0]), y)
    with pytest.raises(ValueError, match=r"row numbers in 0\.\.599"):
        BilevelRidge(cv=(np.arange(10), np.arange(10, 2000))).fit(X, y)
    with pytest.raises(ValueError, match="only 1 class"):
        BilevelLogisticRegression().fit(X, y > 1e9)


def with_nan(X):
    X = X.copy()
    X[450, 1] = np.nan
    return da.from_array(X, chunks=(300, P))
