"""The example candidates pass. Those that need a compiler, PyTorch or JAX are left to ``make test-examples``."""

import sys
from pathlib import Path

import pytest

from docs.candidates import numpy_candidate
from lancbio_ref.cli import main
from lancbio_ref.oracle.candidates import CallableCandidate, CommandCandidate
from lancbio_ref.oracle.check import check
from lancbio_ref.oracle.report import text_report
from lancbio_ref.oracle.vector import vectors

EXECUTABLE = Path(__file__).with_name("executable.py")


@pytest.mark.parametrize("level", ["solve", "hypergradient", "lanczos"])
def test_the_numpy_example_passes_every_vector(level):
    result = check(CallableCandidate(getattr(numpy_candidate, level), level), [level], vectors())
    assert result.passed, text_report(result)
    assert result.count("passed") >= 12


def test_the_numpy_example_follows_the_moving_sequences():
    chosen = [vector for vector in vectors() if vector.family in ("lancbio-sequence", "subbio-sequence")]
    result = check(CallableCandidate(numpy_candidate.trace, "trace"), ["trace"], chosen)
    assert result.passed and len(chosen) >= 10, text_report(result)


def test_the_numpy_example_as_its_text_says(capsys):
    assert main(["check", "--candidate", "docs.candidates.numpy_candidate:solve"]) == 0
    assert "lancbio-ref check: PASS: solve: " in capsys.readouterr().out


def test_an_executable_in_plain_python_passes():
    chosen = [vector for vector in vectors() if vector.family == "quadratic"]
    candidate = CommandCandidate([sys.executable, str(EXECUTABLE), "announced"])
    result = check(candidate, ["solve"], chosen)
    candidate.close()
    assert result.passed, text_report(result)


@pytest.mark.skip(reason="left to make test-examples: the candidates in C, PyTorch and JAX")
def test_the_other_examples():
    """docs/candidates/run_all.py"""
