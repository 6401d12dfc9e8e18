"""Infinity out of a product, and finite products whose sums overflow."""

import numpy as np
import pytest

from lancbio_ref import CallableError, LanczosProcess, RepresentationError, lanczos
from tests.pathologies.faulty import HESSIAN_USERS, A, N, operator, spoiled, with_entry


@pytest.mark.parametrize("entry", HESSIAN_USERS)
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_named(entry, value):
    call, name = HESSIAN_USERS[entry]
    with pytest.raises(CallableError) as caught:
        call(operator(spoiled(lambda v: A @ v, 5, with_entry(value, 4))))
    assert (caught.value.callable_name, caught.value.call, caught.value.found) == (name, 5, f"{value} at index 4")


@pytest.mark.parametrize("entry", HESSIAN_USERS)
def test_both_infinities_whose_sum_is_nan(entry):
    call, _ = HESSIAN_USERS[entry]
    both = np.ones(N)
    both[[3, 8]] = np.inf, -np.inf
    with pytest.raises(CallableError) as caught:
        call(operator(spoiled(lambda v: A @ v, 2, both)))
    assert (caught.value.call, caught.value.found) == (2, "inf at index 3")


def test_finite_product_whose_sum_overflows_is_no_error():
    huge = np.full(N, 4e307)  # Σ is inf, every entry is fine
    process = LanczosProcess(np.eye(N)[0])
    process.step(operator(lambda v: huge))
    assert process.alpha[0] == 4e307 and np.isfinite(process.beta[0])


def test_overflow_within_a_step_says_so():
    with pytest.raises(RepresentationError, match="step 1: alpha or beta overflows float64"):
        lanczos(operator(lambda v: np.copysign(1.7e308, v)), np.ones(N), 3)
