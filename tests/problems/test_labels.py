"""Labels of every kind that is common: the same problem, the same accuracy, and the caller's own labels back."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, hypergradient, lower_solution, problems
from lancbio_ref.datasets import load_libsvm, stratified_split
from lancbio_ref.labels import Classes

R = np.random.default_rng(4)
TWO, TWO_V = np.arange(30) % 2, np.arange(20) % 2
THREE, THREE_V = np.arange(30) % 3, np.arange(20) % 3
X, V = R.standard_normal((30, 4)), R.standard_normal((20, 4))
X[:, 0] += 3 * THREE
V[:, 0] += 3 * THREE_V
NAMES = np.array(["cat", "dog", "horse"])
KINDS = {
    "integers": lambda codes: codes,
    "int8": lambda codes: codes.astype(np.int8),
    "unsigned": lambda codes: codes.astype(np.uint64),
    "big-endian": lambda codes: codes.astype(">i4"),
    "floats": lambda codes: codes.astype(float),
    "float16": lambda codes: codes.astype(np.float16),
    "list": lambda codes: codes.tolist(),
    "texts": lambda codes: NAMES[codes],
    "list of texts": lambda codes: NAMES[codes].tolist(),
    "objects": lambda codes: NAMES[codes].astype(object),
    "bytes": lambda codes: NAMES[codes].astype("S"),
    "from 1": lambda codes: codes + 1,
    "far apart": lambda codes: np.array([3, 2**40, 2**62])[codes],
}
OF_TWO = {
    "booleans": lambda codes: codes == 1,
    "signs": lambda codes: 2 * codes - 1,
    "signs as floats": lambda codes: 2.0 * codes - 1,
}


def pandas_kinds():
    try:
        import pandas
    except ImportError:
        return {}
    return {
        "series": lambda codes: pandas.Series(codes),
        "series of texts": lambda codes: pandas.Series(NAMES[codes]),
        "categories": lambda codes: pandas.Series(pd_categories(pandas, codes)),
    }


def pd_categories(pandas, codes):
    return pandas.Categorical(NAMES[codes])


CASES = [(kind, classes) for kind in {**KINDS, **pandas_kinds()} for classes in (2, 3)] + [(kind, 2) for kind in OF_TWO]
ALL = {**KINDS, **OF_TWO, **pandas_kinds()}


@pytest.mark.parametrize("make", [problems.logistic, problems.data_cleaning], ids=["logistic", "cleaning"])
@pytest.mark.parametrize(("kind", "classes"), CASES)
def test_the_same_problem(kind, classes, make):
    codes, codes_val = (TWO, TWO_V) if classes == 2 else (THREE, THREE_V)
    plain = make(X, codes, V, codes_val, n_classes=classes)
    mine, mine_val = ALL[kind](codes), ALL[kind](codes_val)
    problem = make(X, mine, V, mine_val)
    assert problem.n_classes == classes == len(problem.classes)
    x, y = np.zeros(plain.n_x), R.standard_normal(plain.n_y)
    assert np.array_equal(problem.lower_grad_y(x, y), plain.lower_grad_y(x, y))
    assert np.array_equal(problem.upper_grad_y(x, y), plain.upper_grad_y(x, y))
    assert problem.accuracy(y, V, mine_val) == plain.accuracy(y, V, codes_val)
    back = problem.predict(y, V)
    assert np.mean(back == np.asarray(mine_val).astype(back.dtype)) == plain.accuracy(y, V, codes_val)


def test_as_scikit_learn_maps_them():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    for labels in (["b", "a", "c", "a"], [3, 1, 1, 2], [-1, 1, 1, -1]):
        theirs = preprocessing.LabelEncoder().fit(labels)
        ours = Classes.of(None, labels=labels)
        assert np.array_equal(ours.values, theirs.classes_)
        assert np.array_equal(ours.codes("labels", labels, 4), theirs.transform(labels))


def test_labels_of_a_libsvm_file_as_they_are(data_dir):
    path = data_dir / "libsvm" / "heart_scale.bz2"
    if not path.is_file():
        pytest.skip(f"no {path}")
    S, labels = load_libsvm(path)
    problem = problems.logistic(S[:150], labels[:150], S[150:], labels[150:])
    y = lower_solution(problem, np.zeros(13), tol=1e-8).y
    assert problem.accuracy(y, S[150:], labels[150:]) > 0.8 and set(problem.predict(y, S)) == {-1, 1}


@pytest.mark.parametrize("make", [problems.logistic, problems.data_cleaning], ids=["logistic", "cleaning"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.full(30, np.nan), "the label nan"),
        (np.full(30, 0.5), "the label 0.5"),
        (np.full(30, np.inf), "the label inf"),
        (np.full(30, 2**63, np.uint64), "the label 9223372036854775808"),
        (["a", 1] * 15, "labels_train"),
        ([["a"], ["b"]] * 15, "labels_train"),
        (TWO[:, None], "shape (30, 1)"),
        (TWO[:5], "shape (5,)"),
        ([None, 1] * 15, "None"),
        (np.ma.masked_array(TWO, TWO == 0), "a masked array"),
        (["only"] * 30, "1 different labels"),
        ([-2, 1] * 15, "-2..1"),
    ],
)
def test_what_are_no_labels(make, labels, expected):
    val = labels[:20] if len(labels) == 30 else TWO_V
    with pytest.raises(ArgumentError) as caught:
        make(X, labels, V, val)
    assert expected in str(caught.value) and "labels" in caught.value.argument


def test_a_kind_that_the_problem_does_not_have():
    problem = problems.logistic(X, NAMES[THREE], V, NAMES[THREE_V])
    y = np.ones(problem.n_y)
    for labels in (THREE_V, ["cow"] * 20, [["cat"]] * 20):
        with pytest.raises(ArgumentError, match="labels"):
            problem.accuracy(y, V, labels)
    unseen = NAMES[THREE_V].tolist()
    unseen[0] = "cow"  # is never predicted, and so is wrong
    assert problem.accuracy(y, V, unseen) <= 19 / 20
    with pytest.raises(ArgumentError, match="n_classes = 4"):
        problems.logistic(X, NAMES[THREE], V, NAMES[THREE_V], n_classes=4)


@pytest.mark.parametrize("convert", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_data_cleaning_of_sparse_samples(convert):
    dense = problems.data_cleaning(X, THREE, V, THREE_V)
    sparse = problems.data_cleaning(convert(X), THREE, convert(V), THREE_V)
    assert sp.issparse(sparse.train.design.X)
    x, y = R.standard_normal(dense.n_x), R.standard_normal(dense.n_y)
    np.testing.assert_allclose(sparse.lower_grad_y(x, y), dense.lower_grad_y(x, y), atol=1e-14)
    assert sparse.accuracy(y, convert(V), THREE_V) == dense.accuracy(y, V, THREE_V)
    assert sparse.check(x, y, rng=0).ok
    ours, theirs = hypergradient(sparse, x), hypergradient(dense, x)
    distance = np.linalg.norm(ours.value - theirs.value)
    assert str(ours.certificate.error) == "certified"
    assert distance <= sum(f.error_bound + f.lower_level_bound for f in (ours, theirs))


def test_splits_take_them_too():
    for labels in (NAMES[THREE], THREE.astype(float), 2 * TWO - 1, NAMES[THREE].tolist()):
        first, second = stratified_split(labels, (15, 15))
        assert first.size == second.size == 15 and not set(first) & set(second)


def test_samples_in_data_frames():
    pandas = pytest.importorskip("pandas")
    frame, frame_val = pandas.DataFrame(X), pandas.DataFrame(V)
    plain = problems.data_cleaning(X, THREE, V, THREE_V)
    problem = problems.data_cleaning(frame, pandas.Series(THREE), frame_val, pandas.Series(THREE_V))
    y = R.standard_normal(plain.n_y)
    assert problem.accuracy(y, frame_val, pandas.Series(THREE_V)) == plain.accuracy(y, V, THREE_V)
