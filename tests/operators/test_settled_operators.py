"""An operator of this package keeps what it has made of its parts: none of them is replaced behind its back."""

import copy
import pickle
from functools import cached_property

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError
from lancbio_ref.operators import DiagonalLowRank
from tests.operators.test_linear_operator_contract import OPERATORS, Reversed

FREE = {
    *("dtype", "shape", "ndim"),  # SciPy's
    *("calls", "products", "roundoff", "name"),  # what is counted, and what messages say
    "norm_bound",  # a method that one instance has
}
OURS = {name: make for name, make in OPERATORS.items() if name != "a user's"}


def parts_of(operator):
    """The attributes that a constructor has set; others are made of them when they are asked for."""
    of_the_class = type(operator).__dict__
    return [
        name
        for name in vars(operator)
        if name[0] != "_" and name not in FREE and not isinstance(of_the_class.get(name), cached_property)
    ]


@pytest.mark.parametrize("name", OURS)
def test_no_part_of_an_operator_is_replaced(name):
    operator, dense = OURS[name]()
    copies = [operator, copy.copy(operator)]
    if "lambda" not in repr(vars(operator)) and name not in ("batched", "batched, black box"):
        copies.append(copy.deepcopy(operator))
    v = np.linspace(-1, 1, dense.shape[1])
    for each in copies:
        parts = parts_of(each)
        assert parts or name == "implicit"
        before = each @ v
        for part in parts:
            for value in (None, getattr(each, part)):
                with pytest.raises(ArgumentError, match=f"{part}: found an assignment to an operator that is made"):
                    setattr(each, part, value)
            with pytest.raises(AttributeError):
                delattr(each, part)
        assert np.array_equal(each @ v, before)


@pytest.mark.parametrize("name", OURS)
def test_a_part_that_can_be_written_to_is_what_products_read(name):
    """Others are read-only: what was made of them would not know of it."""
    operator, dense = OURS[name]()
    copied = copy.copy if "lambda" in repr(vars(operator)) else copy.deepcopy
    operator = copied(operator)  # its arrays may be those of every test
    v, u = np.linspace(0.5, 1, dense.shape[1]), np.linspace(0.5, 1, dense.shape[0])
    for part in parts_of(operator):
        array = getattr(operator, part)
        array = getattr(array, "data", array) if sp.issparse(array) else array
        if isinstance(array, np.ndarray) and array.dtype.kind in "fc" and array.flags.writeable and array.any():
            before = operator @ v, operator.rmatvec(u)
            array *= 2
            after = operator @ v, operator.rmatvec(u)
            assert not any(map(np.array_equal, before, after)), part


def test_copies_through_pickle_and_of_subclasses():
    class Own(DiagonalLowRank):
        """A user's, with an attribute of its own."""

        def __init__(self, d):
            super().__init__(d)
            self.seen = 0

    A = Own([1.0, 2.0])
    A.seen += 1
    with pytest.raises(ArgumentError, match=r"Own\.d"):
        A.d = np.ones(2)
    B = pickle.loads(pickle.dumps(DiagonalLowRank([1.0, 2.0])))
    with pytest.raises(ArgumentError, match=r"DiagonalLowRank\.d"):
        B.d = np.ones(2)
    assert B.matvec(np.ones(2)).tolist() == [1.0, 2.0]


def test_operators_of_users_are_their_own():
    A = Reversed(4)
    A.anything = 1
    A.anything = 2
    assert A.anything == 2
