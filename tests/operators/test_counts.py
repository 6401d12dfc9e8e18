"""The roundings that a product is said to take, counted in the code of its kernels.

Kernels run as plain Python on numbers that know how many roundings the longest way into them has.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys
import numpy as np
from lancbio_ref.operators import products

class Counted:
    '''A number that went through so many roundings; a term's own are added where two numbers are multiplied.'''
    def __init__(self, roundings=0):
        self.roundings = roundings
    def __mul__(self, other):
        return Counted(self.roundings + other.roundings + 1)
    def __add__(self, other):
        if not isinstance(other, Counted):
            assert other == 0  # nothing is rounded
            return self
        return Counted(max(self.roundings, other.roundings) + 1)
    __radd__ = __add__
    def __abs__(self):
        return self

def counted(*shape):
    array = np.empty(shape, object)
    array.ravel()[:] = [Counted() for _ in range(array.size)]
    return array

products.ready = lambda v: v
products.parallel.added = lambda partial: sum(partial[1:], partial[0])
most = lambda values: max(value.roundings for value in values)
for m, n in ((1, 1), (1, 9), (9, 1), (7, 5), (63, 3), (300, 6), (2055, 2), (3, 600)):
    X, d, u, v = counted(m, n), counted(m), counted(m), counted(n)
    for A in (X, X.T.copy().T):
        for name, found, stated in (
            ("product", products.dense_product(A, v), products.product_counts(A, False)),
            ("transposed", products.dense_transposed(A, u), products.transposed_counts(A, False)),
            ("gram", products.dense_gram(A, d, v), products.gram_counts(A, False)),
        ):
            print(name, m, n, A.flags.c_contiguous, most(found), stated[0])
            assert stated[1] == 0
"""


@pytest.fixture(scope="module")
def counts():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), "LANCBIO_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_no_term_goes_through_more_roundings_than_stated(counts):
    assert {line[0] for line in counts} == {"product", "transposed", "gram"}
    for line in counts:
        assert int(line[-2]) <= int(line[-1]), line


def test_no_count_is_far_from_the_truth(counts):
    """At most one for the first sum, which is added to 0, and the seven of the rows left over, of each sum."""
    for line in counts:
        assert int(line[-1]) <= int(line[-2]) + 18, line


def test_sums_over_many_rows_are_better_than_any_order(counts):
    (line,) = [line for line in counts if line[:4] == ["transposed", "2055", "2", "True"]]
    assert int(line[-1]) < 2055 / 7
