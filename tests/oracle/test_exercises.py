"""The exercises of the textbook: a right function passes, a wrong one is named, a file that is no answer is refused."""

from pathlib import Path

import pytest

from lancbio_ref.cli import main
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.exercises import EXERCISES, find, load
from lancbio_ref.oracle.levels import LEVELS
from lancbio_ref.oracle.vector import vectors
from tests.thorough import sampled

RIGHT = Path(__file__).with_name("learner.py")
WRONG = [
    ("ridge", " / len(t_val)", "", "H27"),
    ("ridge", " / len(t_train)", "", "H16"),
    ("hypergradient", "c - J", "c + J", "H02"),
    ("neumann", "return eta * total", "return total", "T52"),
    ("neumann", "range(Q)", "range(Q - 1)", "T51"),
    ("cg", "(r_next @ r_next) / (r @ r)", "(r @ r) / (r_next @ r_next)", "S07"),
    ("cg", "v, r = v0, b - A @ v0", "v, r = v0, b", "S05"),
    ("cg", "p = r_next + (r_next @ r_next) / (r @ r) * p", "p = r_next", "S36"),
    ("cg", "p = r_next + (r_next @ r_next) / (r @ r) * p", "p = r_next", "T46"),
    ("neumann", "term = term - eta * (A @ term)", "term = term - A @ term", "T58"),
    ("neumann", "term = total = b", "term, total = b, 0 * b", "T59"),
    ("tridiagonal", "alpha[i] - beta[i - 1] / d[i - 1] * beta[i - 1]", "alpha[i] - beta[i - 1] / d[i - 1]", "S30"),
    ("tridiagonal", "alpha[i] - beta[i - 1] / d[i - 1] * b", "alpha[i] + beta[i - 1] / d[i - 1] * b", "S31"),
    ("tridiagonal", "x[i] = x[i] - ", "x[i] = x[i] + ", "S32"),
    ("tridiagonal", "range(len(d) - 2, -1, -1)", "range(0)", "S33"),
    ("tridiagonal", "    x = x / d\n", "", "S34"),
    ("tridiagonal", "x[i] = r[i] - beta[i - 1] / d[i - 1] * x[i - 1]", "pass", "S35"),
    ("lanczos", "u = A @ q - beta * q_before", "u = A @ q", "L03"),
    ("subbio-step", "v - eta * (A @ v)", "v + eta * (A @ v)", "T33"),
    ("lancbio-step", " - (beta[-1] * Q[:, -2] if len(beta) else 0)", "", "T12"),
    ("lancbio-step", "v = v_bar + Q", "v = Q", "T04"),
    ("lancbio-step", "Q.T @ (b - w)", "Q.T @ b", "T23"),
    ("lancbio-step", "Q.T @ (b - w)", "Q.T @ (b - A @ v_bar)", "T24"),
    ("lancbio-step", "omega / beta_next if beta_next else omega", "omega", "T25"),
    ("subbio-step", "S @ np.linalg.lstsq(S.T @ A @ S, S.T @ b)[0]", "v - eta * (A @ v - b)", "T37"),
]


def check(name, file, capsys, *options):
    status = main(["check", "--exercise", name, str(file), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_function_passes(name, capsys):
    status, out, _ = check(name, RIGHT, capsys)
    assert status == 0, out
    assert " 0 failed, 0 undecided" in out


@pytest.mark.parametrize(
    "name, right, wrong, fault", [pytest.param(*w, id=f"{w[0]}-{w[3]}") for w in sampled(WRONG, 6)]
)
def test_a_known_mistake_is_named(name, right, wrong, fault, capsys, tmp_path):
    text = RIGHT.read_text()
    assert text.count(right) == 1
    (tmp_path / "my.py").write_text(text.replace(right, wrong))
    status, out, _ = check(name, tmp_path / "my.py", capsys)
    assert status == 1
    assert f"matches fault {fault} " in out


def test_every_exercise_asks_enough_of_every_level():
    for exercise in EXERCISES.values():
        asked = exercise.select(vectors())
        assert set(exercise.levels) <= set(LEVELS)
        for level in exercise.levels:
            assert sum(level in vector.levels for vector in asked) >= 3, (exercise.name, level)
        assert all(vector.result == "valid" and vector.difficulty != "extreme" for vector in asked)


@pytest.mark.parametrize(
    "text, said",
    sampled(
        [
            (None, "there is no such file"),
            ("x = 1\n", "my.py has no function cg; expected cg(A, b, v0, steps)"),
            ("cg = 1\n", "my.py has no function cg; expected cg(A, b, v0, steps)"),
            ("import nowhere_to_be_found\n", "ModuleNotFoundError in my.py: No module named 'nowhere_to_be_found'"),
            ("def cg(:\n", "SyntaxError in my.py"),
        ],
        3,
    ),
)
def test_a_file_without_the_function_is_refused(text, said, tmp_path, capsys):
    file = tmp_path / "my.py"
    if text is not None:
        file.write_text(text)
    status, _, err = check("cg", file, capsys)
    assert status == 2
    assert said in err and "--exercise" in err


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "my.txt").write_text("")
    with pytest.raises(ValueError, match=r"my.txt is no Python file: its name does not end in \.py"):
        load(find("cg"), tmp_path / "my.txt")


def test_an_unknown_exercise_and_a_level_that_it_has_not(capsys):
    with pytest.raises(ArgumentError, match=r"found lancoz, expected of ridge, .*, lancbio-step"):
        find("lancoz")
    status, _, err = check("lanczos", RIGHT, capsys, "--level", "solve")
    assert status == 2 and "--level: found solve, expected of lanczos" in err


def test_what_is_no_vector_is_said_in_words(tmp_path, capsys):
    (tmp_path / "my.py").write_text("def neumann(A, b, eta, Q):\n    return 3\n")
    status, out, _ = check("neumann", tmp_path / "my.py", capsys)
    assert status == 1
    assert "returned int of shape () and dtype int64, expected real numbers of shape (5,)" in out


def test_a_level_can_be_chosen_and_neighbours_be_imported(tmp_path, capsys):
    (tmp_path / "helpers.py").write_text(RIGHT.read_text())
    (tmp_path / "my.py").write_text("from helpers import cg\n")
    status, out, _ = check("cg", tmp_path / "my.py", capsys, "--level", "trace")
    assert status == 0 and "PASS: trace: 4 passed" in out


def test_a_function_may_write_into_its_arguments(tmp_path, capsys):
    text = RIGHT.read_text().replace("v = v + gamma * p", "v += gamma * p").replace("x = np.array(r)", "x = r")
    assert text != RIGHT.read_text()
    (tmp_path / "my.py").write_text(text)
    for name in ("cg", "tridiagonal"):
        status, out, _ = check(name, tmp_path / "my.py", capsys)
        assert status == 0, out


@pytest.mark.parametrize(
    "returned, said",
    [
        ("0, 0, b", "returned 3 values, expected 4: alpha_j, beta_{j+1}, q_{j+1}, v"),
        ("None", "returned NoneType, expected 4: alpha_j, beta_{j+1}, q_{j+1}, v"),
        ("0, 0, b, 1j * b", "and dtype complex128, expected real numbers of shape ("),
    ],
)
def test_what_a_step_returns_is_checked_in_words(returned, said, tmp_path, capsys):
    (tmp_path / "my.py").write_text(f"def lancbio_step(A, b, w, v_bar, Q, alpha, beta):\n    return {returned}\n")
    status, out, _ = check("lancbio-step", tmp_path / "my.py", capsys)
    assert status == 1 and said in out and "rejected" not in out


def test_an_exception_is_an_error_and_no_rejection(tmp_path, capsys):
    (tmp_path / "my.py").write_text("import numpy as np\n\ndef cg(A, b, v0, steps):\n    return A @ np.ones(1000)\n")
    status, out, _ = check("cg", tmp_path / "my.py", capsys)
    assert status == 1 and "raised AnswerExpected: ValueError: matmul" in out and "rejected" not in out


def test_a_mistake_in_t_is_not_taken_for_a_tolerance(tmp_path, capsys):
    wrong = "x[i] = r[i] - beta[i - 1] / d[i - 1] * x[i - 1]"
    (tmp_path / "my.py").write_text(RIGHT.read_text().replace(wrong, "pass"))
    status, out, _ = check("tridiagonal", tmp_path / "my.py", capsys)
    assert status == 1 and "suspect S35 " in out and "S26" not in out
