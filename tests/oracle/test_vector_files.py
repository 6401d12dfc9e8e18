"""A file that is not what was published is refused, and the field named."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import oracle
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.layout import canonical, field_sums
from lancbio_ref.oracle.vector import folder
from tests.oracle.documents import leaves, raw_copy, write_document
from tests.thorough import few

SAMPLES = [
    "quadratic-001",
    "ridge-001",
    "singular-001",
    "lancbio-sequence-014",
    "step-bsa-001",
    "scalar-001",
]


def refused(path) -> ArgumentError:
    with pytest.raises(ArgumentError) as raised:
        oracle.load(path)
    return raised.value


@pytest.mark.parametrize("id", SAMPLES)
def test_a_copy_loads(id, tmp_path):
    vector = oracle.load(write_document(tmp_path, raw_copy(id)))
    assert vector.id == id and vector.raw == oracle.load(id).raw


def test_another_layout_of_the_same_content_loads(tmp_path):
    path = tmp_path / "pretty.json"
    path.write_text(json.dumps(raw_copy("quadratic-001"), indent=4))
    assert oracle.load(path).id == "quadratic-001"


def changed(value):
    """Another value of the same kind, such that only its sum can tell."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.5
    if value is None:
        return "something"
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1:] != "1" else "2")
    return [1] if isinstance(value, list) else {"more": 1}


def summed(path):
    """The field with a sum of its own that a leaf belongs to."""
    parts = path.split(".")
    if parts[0] not in ("inputs", "expected", "admissible"):
        return parts[0].split("[")[0]
    second = parts[1] if parts[1].startswith("rows") and parts[0] == "expected" else parts[1].split("[")[0]
    return f"{parts[0]}.{second}"


@pytest.mark.parametrize("id", SAMPLES)
@few(15)
@given(st.data())
def test_any_changed_leaf_is_refused_with_file_and_field(tmp_path_factory, id, data):
    raw = raw_copy(id)
    places = list(leaves(raw))
    path, container, key = data.draw(st.sampled_from(places))
    container[key] = changed(container[key])
    error = refused(write_document(tmp_path_factory.mktemp("v"), raw))
    file, _, field = error.argument.partition(": ")
    assert file == "changed.json"
    if not path.startswith("sums"):  # then it is the other side that seems changed
        assert field.startswith(summed(path)), (path, field)


@pytest.mark.parametrize("id", SAMPLES)
@few(20)
@given(st.data())
def test_a_field_that_is_missing_or_added_is_named(tmp_path_factory, id, data):
    raw = raw_copy(id)
    containers = [
        ("", raw),
        *[(key, raw[key]) for key in ("inputs", "expected", "admissible", "sizes", "mu", "generator")],
    ]
    path, container = data.draw(st.sampled_from(containers))
    if data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(container)))
        del container[key]
    else:
        key = "surplus"
        container[key] = 1
    error = refused(write_document(tmp_path_factory.mktemp("v"), raw))
    assert error.argument == f"changed.json: {path + '.' if path else ''}{key}"


def test_a_vector_with_new_sums_under_an_old_id_is_refused(tmp_path):
    raw = raw_copy("quadratic-001")
    raw["why"] = "It was changed."
    error = refused(write_document(tmp_path, raw, sums=True))
    assert error.argument == "changed.json: why" and "v1's quadratic-001" in error.found


def test_a_vector_of_ones_own_loads(tmp_path):
    raw = raw_copy("quadratic-001")
    raw["id"], raw["family"] = "mine-001", "mine"
    vector = oracle.load(write_document(tmp_path, raw, sums=True))
    assert vector.id == "mine-001"


def edit(raw, field, value):
    *path, last = field
    for key in path:
        raw = raw[key]
    raw[last] = value


@pytest.mark.parametrize(
    "field, value, named",
    [
        (("format",), "another", "format"),
        (("version",), "2", "version"),
        (("kind",), "matrix", "kind"),
        (("levels",), ["trace"], "levels[0]"),
        (("levels",), [], "levels"),
        (("levels",), ["solve", "solve"], "levels"),
        (("result",), "maybe", "result"),
        (("rigour",), "B", "rigour"),
        (("routes",), ["arb"], "routes"),
        (("id",), "Quadratic 1", "id"),
        (("id",), "ridge-001", "id"),
        (("sizes", "n_y"), 4, "inputs.A.shape"),
        (("sizes", "n_x"), 0, "sizes.n_x"),
        (("mu", "value", "hex"), "0x1p+0", "mu.value.dec"),
        (("inputs", "A", "hex", 1), "0x1.9p-1", "inputs.A.dec[1]"),
        (("inputs", "A", "hex", 1), "0.39", "inputs.A.hex[1]"),
        (("inputs", "A", "dec", 2), "7", "inputs.A.dec[2]"),
        (("inputs", "b", "shape"), [2], "inputs.b.shape"),
        (("inputs", "J", "dec"), ["1.0"], "inputs.J.dec"),
        (("inputs", "k"), 2.5, "inputs.k"),
        (("inputs", "k"), True, "inputs.k"),
        (("inputs", "q1"), None, "inputs.q1"),
        (("problem", "data", "rho", "dec"), "0.3", "problem.data.rho.dec"),
        (("problem", "x"), None, "problem.x"),
        (("expected", "v", "float64", 0), "0x1.8p+1", "expected.v.float64[0]"),
        (("expected", "v", "mid", 0), "3", "expected.v.float64[0]"),
        (("expected", "v", "mid", 0), "three", "expected.v.mid[0]"),
        (("expected", "v", "rad", 0), "-1e-30", "expected.v.rad[0]"),
        (("expected", "h"), None, "expected.h"),
        (("expected", "breakdown"), 2, "expected.alpha.shape"),
        (("admissible", "solve"), "small", "admissible.solve"),
        (("admissible", "solve"), -1.0, "admissible.solve"),
        (("admissible", "lanczos"), [], "admissible.lanczos"),
        (("equations",), [""], "equations[0]"),
    ],
)
def test_what_is_malformed_is_named_even_with_fitting_sums(tmp_path, field, value, named):
    raw = raw_copy("quadratic-001")
    edit(raw, field, value)
    assert refused(write_document(tmp_path, raw, sums=True)).argument == f"changed.json: {named}"


@pytest.mark.parametrize(
    "field, value, named",
    [
        (("inputs", "method"), "adam", "inputs.method"),
        (("inputs", "iterations"), 4, "inputs.sequence.A"),
        (("inputs", "sequence"), None, "inputs.sequence"),
        (("inputs", "sequence", "A", 1, "shape"), [4], "inputs.sequence.A[1].shape"),
        (("inputs", "options"), 3, "inputs.options"),
        (("expected", "rows", 2, "k"), 7, "expected.rows[2].k"),
        (("expected", "rows", 1, "speed"), 1, "expected.rows[1].speed"),
        (("expected", "rows", 1, "singular"), 1, "expected.rows[1].singular"),
        (("expected", "rows", 0, "alpha", "shape"), [2], "expected.rows[0].alpha.mid"),
        (("admissible", "rows"), [1e-12], "admissible.rows"),
    ],
)
def test_a_malformed_trace_is_named_even_with_fitting_sums(tmp_path, field, value, named):
    raw = raw_copy("lancbio-sequence-014")
    edit(raw, field, value)
    assert refused(write_document(tmp_path, raw, sums=True)).argument == f"changed.json: {named}"


@pytest.mark.parametrize("place", [("col", 0, 3), ("row", 5, 48), ("row", 5, -1), ("symmetric", False)])
def test_a_malformed_sparse_matrix_is_named(tmp_path, place):
    raw = raw_copy("bcsstk01-002")
    edit(raw, ("inputs", "A", *place[:-1]), place[-1])
    assert refused(write_document(tmp_path, raw, sums=True)).argument.startswith("changed.json: inputs.A.")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'{"format": "lancbio-vector", "format": "x"}',
        b'{"c": NaN}',
        b"\xff\xfe",
        b"[" * 100000,
    ],
)
def test_what_is_no_vector_is_refused_with_the_file(tmp_path, text):
    path = tmp_path / "junk.json"
    path.write_bytes(text)
    assert refused(path).argument.startswith("junk.json")


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"a": {"b": [1, 2', "line 1, column 18"),
        ('{"a": {\n"b": [1, 2}}', "line 2, column 11"),
        ('{"a": {\n"b": [1, NaN]}}', "NaN"),
        ('{"a": [{"b": -Infinity}]}', "-Infinity"),
        ('{"a": [{"b": 1e999}]}', "1e999 is beyond"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "a key that occurs twice"),
        ('{"a": 1, "b": ' + "9" * 5000 + "}", "5000 digits"),
        ('{"a": {"b": tru}}', "line 1, column 13"),
        ('{"a": ["x", "y\n"]}', "control character"),
        ('{"a": 1} x', "Extra data"),
        ('{"a": 1, b": 2}', "line 1, column 10"),
    ],
)
def test_what_is_no_json_is_refused_with_the_file_and_the_place(tmp_path, text, words):
    (tmp_path / "junk.json").write_text(text)
    error = refused(tmp_path / "junk.json")
    assert error.argument == "junk.json" and words in error.found


def test_bytes_that_are_no_text_are_refused_with_their_place(tmp_path):
    text = canonical(raw_copy("quadratic-001"))
    place = text.index(b"0x", text.index(b'"hex"', text.index(b'"b": {')))
    (tmp_path / "junk.json").write_bytes(text[:place] + b"\xff" + text[place + 1 :])
    error = refused(tmp_path / "junk.json")
    assert error.argument == "junk.json" and f"in position {place}" in error.found


def test_what_is_nested_too_deep_is_refused(tmp_path):
    for depth in (101, 400, 5000):
        raw = raw_copy("quadratic-001")
        raw["why"] = "DEEP"
        text = json.dumps(raw).replace('"DEEP"', "[" * depth + "]" * depth)
        (tmp_path / "junk.json").write_text(text)
        assert refused(tmp_path / "junk.json").argument == ("junk.json: why" if depth == 101 else "junk.json")


def test_a_surrogate_that_utf_8_does_not_have_is_named(tmp_path):
    raw = raw_copy("quadratic-001")
    raw["why"] += "\ud800"
    (tmp_path / "junk.json").write_text(json.dumps(raw))
    assert refused(tmp_path / "junk.json").argument == "junk.json: why"


def cut_off(text, lengths, path):
    """Each is refused with the line that is cut, or the last one before."""
    for length in lengths:
        path.write_bytes(text[:length])
        error = refused(path)
        assert error.argument == path.name and "no JSON" in error.found and "at line" in error.found, length


def test_a_file_cut_off_at_any_byte_is_refused(tmp_path):
    text = canonical(raw_copy("singular-001"))
    cut_off(text, range(len(text.rstrip())), tmp_path / "cut.json")  # the line's end alone may be missing


def test_a_long_file_cut_off_is_refused(tmp_path):
    path, text = tmp_path / "cut.json", canonical(raw_copy("quadratic-001"))
    cut_off(text, range(0, len(text.rstrip()), 151), path)
    whole = text[: text.index(b'"expected"') + 200]
    path.write_bytes(whole)
    assert f"at line {len(whole.splitlines())}, column" in refused(path).found


def test_an_integer_is_one_as_json_writes_it(tmp_path):
    raw = raw_copy("quadratic-001")
    raw["inputs"]["k"] = float(raw["inputs"]["k"])  # to a JSON schema 3.0 is an integer
    assert refused(write_document(tmp_path, raw, sums=True)).argument == "changed.json: inputs.k"


def test_only_other_peoples_vectors_need_jsonschema(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    path = tmp_path / "changed.json"
    path.write_bytes((folder() / "quadratic-001.json").read_bytes())
    assert oracle.load(path).id == "quadratic-001"
    error = refused(write_document(tmp_path, raw_copy("quadratic-001") | dict(id="quadratic-mine"), sums=True))
    assert error.argument == "changed.json" and "jsonschema" in error.found
    assert "pip install jsonschema" in error.expected


def test_missing_files_and_unknown_ids():
    assert "no-such.json" in refused("no-such.json").found
    assert refused("no-such-vector").argument == "vector"
    with pytest.raises(ArgumentError):
        oracle.load("quadratic-001", version="v9")


def test_rows_that_are_none_are_refused_with_their_field(tmp_path):
    raw = raw_copy("lancbio-sequence-001")
    raw["expected"] = {"rows": 0}
    (tmp_path / "changed.json").write_text(json.dumps(raw))
    assert refused(tmp_path / "changed.json").argument.startswith("changed.json: expected.")


@pytest.mark.parametrize(
    "data",
    [
        {"mid": []},
        {"row": 1},
        {"shape": [1]},
        {"shape": [-1, -2], "hex": [1, 2], "dec": [1, 2]},
        {"shape": "xy", "hex": "12", "dec": "12"},
        {"hex": "0x1p+0", "dec": "2.0"},
        {"shape": [], "mid": "3", "rad": "x", "float64": "y"},
    ],
)
def test_arrays_of_a_problem_that_are_none_are_refused(tmp_path, data):
    raw = raw_copy("quadratic-001")
    raw["problem"]["data"]["B"] = data
    raw["sums"] = field_sums(raw)
    (tmp_path / "changed.json").write_bytes(canonical(raw))
    assert refused(tmp_path / "changed.json").argument.startswith("changed.json: problem.data.B")
