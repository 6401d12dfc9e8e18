"""Reports in a notebook: the verdict first, in its colour, and nothing that is not escaped."""

from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    BilevelProblem,
    EvaluationError,
    HyperObjective,
    Linearization,
    UpperLevel,
    compare,
    hypergradient,
    lower_solution,
    minimize,
    oracle,
    problems,
)
from lancbio_ref.html import STYLE, card
from lancbio_ref.oracle.candidates import CallableCandidate
from lancbio_ref.oracle.check import check

PROBLEM, X = problems.random_ridge(20, 10, 5, rng=0), np.zeros(5)


class Balanced(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.text = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag != "script"
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def run(**options):
    return minimize(PROBLEM, X, X, **dict(maxiter=12, step_x=0.1, step_y=0.001) | options)


def checked(solver):
    return check(CallableCandidate(solver), ["solve"], [oracle.load("quadratic-001")])


def wrong_check():
    problem = problems.quadratic(2, 3, rng=0)
    object.__setattr__(problem.lower, "grad_y", lambda x, y: 0 * y)
    return problem.check(np.ones(2), np.ones(3), rng=0)


def one_wrong():
    upper = PROBLEM.upper
    wrong = UpperLevel(value=upper.value, grad_x=upper.grad_x, grad_y=lambda x, y: -upper.grad_y(x, y))
    return BilevelProblem(wrong, PROBLEM.lower).check(X + 0.1, X + 0.2, rng=0)


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda: hypergradient(PROBLEM, X), "good", "CONVERGED"),
        (lambda: hypergradient(PROBLEM, X, rtol=1e-14, maxiter=1), "bad", "NOT_CONVERGED"),
        (lambda: PROBLEM.check(X + 0.1, X + 0.2, rng=0), "good", "as they should be"),
        (wrong_check, "bad", "grad_y g"),
        (one_wrong, "bad", "1 probe failed"),
        (lambda: oracle.diagnose(PROBLEM, X, PROBLEM.hypergradient(X)), "good", "right"),
        (lambda: oracle.diagnose(PROBLEM, X, -PROBLEM.hypergradient(X)), "bad", "H02"),
        (lambda: run(), "open", "h was not checked"),
        (lambda: run(check=True, step_y=0.1, maxiter=60), "good", "h is the gradient of phi"),
        (lambda: run(check=True), "bad", "h is not the gradient of phi"),
        (lambda: run(check=True).check, "bad", "DIFFERS"),
        (lambda: run().trace, "open", "trace of 12 iterations"),
        (lambda: HyperObjective(PROBLEM).evaluate(X), "good", "certified"),
        (lambda: lower_solution(PROBLEM, X, tol=1e-8), "good", "||y - y*||"),
        (lambda: lower_solution(PROBLEM, X, tol=1e-30, maxiter=1), "bad", "NOT_CONVERGED"),
        (lambda: checked(lambda A, b, v0: np.linalg.solve(A, b)), "good", "1 passed"),
        (lambda: checked(lambda A, b, v0: b), "bad", "quadratic-001, solve"),
        (lambda: compare(PROBLEM, ["soba"], X, X, maxiter=2, step_x=0.1, step_y=0.1, step_v=0.1), "open", "soba"),
    ],
)
def test_a_report_has_its_verdict_and_its_colour(make, kind, words):
    """And it says itself in a line, without an array."""
    report = make()
    text = report._repr_html_()
    assert text.startswith(f'{STYLE}<div class="lancbio {kind}"><b>') and text.count(STYLE) == 1
    assert words in "".join(Balanced(text).text)
    assert "\n" not in repr(report) and "array" not in repr(report) and len(repr(report)) < 300


def test_a_solve_says_itself_in_a_line():
    report = hypergradient(PROBLEM, X).solve
    assert repr(report).startswith("SolveReport(n=5, status=CONVERGED, residual_norm=") and "array" not in repr(report)


def test_what_is_folded_is_a_report_without_another_style():
    text = card("outer", folded={"inner": hypergradient(PROBLEM, X), "nothing": None})
    assert text.count("<style>") == 1 and "<summary>inner</summary><div class=" in text and "nothing" not in text


def test_all_text_is_escaped():
    evil = "<script>&\"'"
    text = card(evil, facts={evil: evil}, table=[[evil], [evil]], words=[evil], detail=evil)
    assert "".join(Balanced(text).text).count(evil) == 7  # verdict, fact and its name, two rows, words, detail


def test_the_remedy_that_names_float32_code_is_dropped_nowhere():
    """A solve that failed because its products round to 7 digits says so in a notebook, and out of a diagnosis."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((40, 40))
    G = ((S @ S.T) / 40 + 1e-5 * np.eye(40)).astype(np.float32)
    A = LinearOperator((40, 40), matvec=lambda v: (G @ v.astype(np.float32)).astype(float), dtype=float)
    found = Linearization(A, np.eye(40), rng.standard_normal(40), np.zeros(40)).hypergradient(rtol=1e-12, maxiter=80)
    assert not found.success and "float32" in found.remedy
    assert found.remedy in "".join(Balanced(found._repr_html_()).text)
    assert found.remedy in str(EvaluationError("the linear system at x", found))
