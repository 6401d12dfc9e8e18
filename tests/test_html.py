"""Reports in a notebook: the verdict first, in its colour, and nothing that is not escaped."""

from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import EvaluationError, Linearization, hypergradient, oracle, problems
from lancbio_ref.html import card

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


def wrong_check():
    problem = problems.quadratic(2, 3, rng=0)
    object.__setattr__(problem.lower, "grad_y", lambda x, y: 0 * y)
    return problem.check(np.ones(2), np.ones(3), rng=0)


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda: hypergradient(PROBLEM, X), "good", "CONVERGED"),
        (lambda: hypergradient(PROBLEM, X, rtol=1e-14, maxiter=1), "bad", "NOT_CONVERGED"),
        (lambda: PROBLEM.check(X + 0.1, X + 0.2, rng=0), "good", "as they should be"),
        (wrong_check, "bad", "probes failed"),
        (lambda: oracle.diagnose(PROBLEM, X, PROBLEM.hypergradient(X)), "good", "right"),
        (lambda: oracle.diagnose(PROBLEM, X, -PROBLEM.hypergradient(X)), "bad", "H02"),
    ],
)
def test_a_report_has_its_verdict_and_its_colour(make, kind, words):
    text = make()._repr_html_()
    assert f'class="lancbio {kind}"' in text and words in "".join(Balanced(text).text)


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
