"""Which method a problem gets where nobody has named one: the one place of that rule.

    mini-batches                                        "soba", its steps by their rule
    everything else                                     "recycled-newton"

A recycled Krylov–Newton needs no more of a problem than the others do: an adjoint of J, a diagonal of A, μ and
Lipschitz constants make it better where they are there. What it cannot use is a problem that is another one at each
evaluation: a difference of two batches is noise. On batches SOBA was first where it was measured, and a subspace of
LancBiO mixes the noise of as many batches as it has columns (`validation/REPORT.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..minibatch import Minibatched

if TYPE_CHECKING:
    from ..problem import BilevelProblem

AUTO = "auto"


def choose(problem: BilevelProblem, *, batched: bool = False) -> Literal["soba", "recycled-newton"]:
    """The name of the method for `problem`.

    Parameters
    ----------
    problem : BilevelProblem
    batched : bool
        Whether the run is to be made on mini-batches, as ``minimize(..., batch_size=...)`` makes it.

    Examples
    --------
    >>> from lancbio_ref import problems
    >>> from lancbio_ref.methods import choose
    >>> problem = problems.random_ridge(20, 10, 3, rng=0)
    >>> choose(problem), choose(problem, batched=True)
    ('recycled-newton', 'soba')
    """
    return "soba" if batched or isinstance(problem, Minibatched) else "recycled-newton"
