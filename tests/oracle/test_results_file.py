"""A file of results is read as it is, or refused with the place in it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.candidates import ResultsCandidate
from tests.oracle.asked import V, case


def document(*results):
    return dict(format="lancbio-results", version="1", results=list(results))


def test_a_file_of_results(tmp_path):
    path = tmp_path / "answers.json"
    entry = dict(id="case-002", level="solve", v=V)
    path.write_text(json.dumps(document(entry, dict(id="other", level="lanczos", reject="no"))))
    candidate = ResultsCandidate(path)
    assert candidate.levels == ("solve", "lanczos")
    assert candidate.ask(case()).answer["v"].tolist() == V
    assert candidate.ask(case(id="other", level="lanczos")).rejection == "no"
    assert candidate.ask(case("lanczos")).failure == "no answer in answers.json"


def test_the_same_as_npz(tmp_path):
    path = tmp_path / "answers.npz"
    arrays = {
        "case-002/solve/v": V,
        "other/solve/reject": "no",
        "t-001/trace/rows/2/v": [1.0],
        "t-001/trace/rows/1/h": [2.0],
    }
    np.savez(path, **{name: np.array(value) for name, value in arrays.items()})
    candidate = ResultsCandidate(path)
    assert candidate.levels == ("solve", "trace")
    assert candidate.ask(case()).answer["v"].tolist() == V
    assert candidate.ask(case(id="other")).rejection == "no"
    rows = candidate.ask(case("trace", id="t-001")).answer["rows"]
    assert rows[0].keys() == {"k", "h"} and rows[1]["v"] == [1.0]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"results": [{"h": [1, 2, 3, x', "no JSON: Expecting value: line 1 column 30"),
        ("[" * 100000, "recursion"),
        ("[]", "no object"),
        ('{"format": "lancbio-results", "version": "7", "results": []}', "version is '7'"),
        ('{"format": "lancbio-results", "version": "1", "results": {}}', '"results" is no list'),
        (json.dumps(document({"id": 3, "level": "solve"})), "results[0] is no object"),
        (json.dumps(document({"id": "a", "level": "guess"})), "results[0] is no object"),
        (
            json.dumps(document(*[{"id": "a", "level": "solve"}] * 2)),
            "results[1] answers a at level solve a second time",
        ),
        (b"\xff\xfe\xfd", "decode"),
    ],
)
def test_a_file_that_is_none_is_a_bad_argument(tmp_path, text, words):
    path = tmp_path / "answers.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ArgumentError) as caught:
        ResultsCandidate(path)
    assert caught.value.argument == "--results" and str(path) in caught.value.found
    assert words in caught.value.found


@pytest.mark.parametrize(
    "name", ["v", "a/solve", "a/guess/v", "a/solve/rows/1/v", "a/trace/rows/0/v", "a/trace/rows/x/v"]
)
def test_arrays_with_other_names_are_a_bad_argument(tmp_path, name):
    path = tmp_path / "answers.npz"
    np.savez(path, **{name: np.zeros(1)})
    with pytest.raises(ArgumentError, match=r"answers\.npz"):
        ResultsCandidate(path)


def test_pickles_and_broken_archives_are_refused(tmp_path):
    path = tmp_path / "answers.npz"
    np.savez(path, **{"a/solve/v": np.array([object()])}, allow_pickle=True)
    with pytest.raises(ArgumentError, match="pickle"):
        ResultsCandidate(path)
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(ArgumentError):
        ResultsCandidate(path)
    with pytest.raises(ArgumentError, match="no such file"):
        ResultsCandidate(tmp_path / "absent.json")
