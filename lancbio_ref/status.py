"""Outcomes as enumerations: every member knows what to do about it."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Self


class Outcome(IntEnum):
    """An integer with a remedy; base class of the package's statuses."""

    remedy: str

    def __new__(cls, value: int, remedy: str = "") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.remedy = remedy
        return member

    def __str__(self) -> str:
        return self.name


class SolveStatus(Outcome):
    """How a solve, or a whole run, ended.

    Attributes
    ----------
    remedy : str
        What to do about it, in words; empty where nothing needs doing.
    success : bool
        Whether the answer is as good as was asked for, or as floating point allows; COMPLETED is a run that was asked
        for a number of iterations (tol = 0) and made them.

    Examples
    --------
    >>> from lancbio_ref import SolveStatus
    >>> SolveStatus.FLOOR.success
    True
    >>> SolveStatus.NOT_CONVERGED.remedy[:22]
    'raise maxiter or rtol;'
    """

    CONVERGED = 0, ""
    FLOOR = 1, "as accurate as this floating-point type allows; a wider type or a smaller condition number gives more"
    NOT_CONVERGED = 2, "raise maxiter or rtol; a preconditioner or a warm start saves products"
    INDEFINITE = (
        3,
        "the Hessian has negative curvature along `direction`: the lower level is not strongly convex here; "
        "add regularization or move (x, y)",
    )
    MU_REFUTED = 4, "mu exceeds a Rayleigh quotient of the Hessian: pass a smaller one, mu='certify' or mu='estimate'"
    INTERRUPTED = 5, "stopped from outside: call again with x, y and v of this result to continue"
    COMPLETED = 6, ""
    STOPPED = 7, "the callback raised StopIteration: call again with x, y and v of this result to continue"
    STALLED = (
        8,
        "more steps would not help: the Hessian is singular to working precision along b, or not symmetric; add "
        "regularization, or check it with problem.check",
    )
    DIVERGING = 9, "the iterates grow without bound: choose a smaller step, which the message names"
    UNBOUNDED = (
        10,
        "phi has no minimizer along the way that x took: add regularization in x, or keep it within bounds=(low, high)",
    )
    RADIUS = (
        11,
        "no step is good, however short: phi is not smooth here, its derivatives are not what they say (problem.check "
        "tries them), or the lower level is too ill-conditioned for this floating-point type",
    )

    @property
    def success(self) -> bool:
        return self in (SolveStatus.CONVERGED, SolveStatus.FLOOR, SolveStatus.COMPLETED)


class StepStatus(Outcome):
    """What happened inside one outer iteration; none of them is a failure of the run."""

    REGULAR = 0, ""
    RESTARTED = 1, ""
    INDEFINITE = (
        2,
        "the projected matrix T is not positive definite, as it may be when A moves; it was solved with pivoting. "
        "A smaller subspace or step makes this rarer",
    )
    SINGULAR = 3, "the projected matrix is singular: v was kept, and the subspace restarts"
    BREAKDOWN = 4, "the subspace is invariant (beta at rounding level): v was kept, and the subspace restarts"
    EXACT = 5, "the right-hand side b - w is zero: v was kept, and the subspace restarts"
    NEGATIVE_CURVATURE = (
        6,
        "a conjugate-gradient direction p has pᵀAp <= 0: the Hessian is not positive definite here, and the solve "
        "ended before it. Add regularization or take smaller steps",
    )
    NO_DECREASE = (
        7,
        "no step along -h, however short, is proven or seen to lower f: x was kept. Rounding, or the errors that the "
        "bounds allow for, hide what is left to gain; compute in a wider type",
    )
    HALVED = (
        8,
        "the iteration diverged; it was made again, from a little before, with half of the steps that were chosen by "
        "themselves",
    )


class CheckVerdict(Outcome):
    """What a certified hyper-gradient at the last x says of the one that the run computed itself."""

    AGREES = 0, ""
    DIFFERS = (
        1,
        "the method's own h is no gradient of phi here: more inner steps, shorter steps or a smaller subspace let y "
        "and v keep up; a biased method needs more inverse steps or a larger penalty",
    )
    UNDECIDED = 2, "the bounds are too wide to tell: give mu and Lipschitz constants, or compute in a wider type"
    FAILED = 3, "the check could not be made; the result is that of the run all the same"
    INTERRUPTED = 4, "stopped from outside; the result is that of the run all the same"


class CertificateStatus(Outcome):
    """How far a bound can be trusted; the weakest input decides, so they are ordered.

    ``certified`` > ``given`` > ``estimated`` > ``none``.
    """

    NONE = 0, "no bound: supply mu and cross_norm, or mu='certify' for a dense Hessian"
    ESTIMATED = (
        1,
        "rests on a model of a black box's rounding, which may fall short of it, or on an estimated norm; arrays, "
        "package operators and problems prove theirs, and a problem that overrides formation_errors says its own",
    )
    GIVEN = 2, "holds if the caller's mu, cross_norm and Lipschitz constants do"
    CERTIFIED = 3, ""

    def __str__(self) -> str:
        return self.name.lower()

    def of(self, bound: float) -> str:
        """A bound with this status, in words.

        Examples
        --------
        >>> from lancbio_ref import CertificateStatus
        >>> CertificateStatus.GIVEN.of(2e-9)
        "at most 2e-09, given: holds if the caller's mu, cross_norm and Lipschitz constants do"
        >>> CertificateStatus.CERTIFIED.of(2e-9)
        'at most 2e-09, certified: proven, with all rounding'
        """
        if self == CertificateStatus.NONE or math.isinf(bound):
            return CertificateStatus.NONE.remedy
        return f"at most {bound:.3g}, {self}: {self.remedy or 'proven, with all rounding'}"
