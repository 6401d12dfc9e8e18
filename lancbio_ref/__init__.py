"""Hyper-gradients you can trust: the reference implementation of LancBiO and SubBiO.

    min_x f(x, y*(x)),   y*(x) = argmin_y g(x, y),   ∇φ = ∇_x f − ∇²_xy g [∇²_yy g]⁻¹ ∇_y f

Define a :class:`BilevelProblem`, ask for one :func:`hypergradient` with its certificate, or :func:`minimize` it.

``import lancbio_ref`` loads nothing: each name is fetched from its module when it is first asked for, and numpy, scipy
and numba with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import fetching

if TYPE_CHECKING:  # what an editor and a type checker see; `_HOMES` says the same to Python (tested)
    from . import methods, problems
    from .certificate import Certificate
    from .errors import (
        ArgumentError,
        CallableError,
        ClusterError,
        DivergenceError,
        DomainError,
        EvaluationError,
        LancbioError,
        RepresentationError,
    )
    from .evaluation import Evaluation
    from .final_check import FinalCheck
    from .formation import Bound
    from .hyper_objective import HyperObjective
    from .hypergradient import hypergradient
    from .hypergradient_result import HyperGradient
    from .jobs.comparison import Comparison, compare
    from .krylov.lanczos import LanczosDecomposition, lanczos
    from .krylov.lanczos_solve import lanczos_solve
    from .krylov.process import LanczosProcess
    from .krylov.report import SolveReport
    from .linearization import Linearization
    from .lower_level import LowerSolution, lower_solution
    from .methods import LancBiO, SubBiO, SubspaceSchedule
    from .minibatch import Draw, Minibatched, fixed_batch
    from .minimize import minimize
    from .operators.proofs import certify_mu
    from .problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
    from .result import BilevelResult
    from .rounding import Proven
    from .status import CertificateStatus, CheckVerdict, SolveStatus, StepStatus
    from .trace import Trace

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "BilevelProblem",
    "BilevelResult",
    "Bound",
    "CallableError",
    "Certificate",
    "CertificateStatus",
    "CheckVerdict",
    "ClusterError",
    "Comparison",
    "DivergenceError",
    "DomainError",
    "Draw",
    "Evaluation",
    "EvaluationError",
    "FinalCheck",
    "HyperGradient",
    "HyperObjective",
    "LancBiO",
    "LancbioError",
    "LanczosDecomposition",
    "LanczosProcess",
    "Linearization",
    "LipschitzConstants",
    "LowerLevel",
    "LowerSolution",
    "Minibatched",
    "Proven",
    "RepresentationError",
    "SolveReport",
    "SolveStatus",
    "StepStatus",
    "SubBiO",
    "SubspaceSchedule",
    "Trace",
    "UpperLevel",
    "certify_mu",
    "compare",
    "fixed_batch",
    "hypergradient",
    "lanczos",
    "lanczos_solve",
    "lower_solution",
    "methods",
    "minimize",
    "problems",
]

_HOMES = {
    "certificate": "Certificate",
    "errors": "ArgumentError CallableError ClusterError DivergenceError DomainError EvaluationError LancbioError"
    " RepresentationError",
    "evaluation": "Evaluation",
    "final_check": "FinalCheck",
    "formation": "Bound",
    "hyper_objective": "HyperObjective",
    "hypergradient": "hypergradient",
    "hypergradient_result": "HyperGradient",
    "jobs.comparison": "Comparison compare",
    "krylov.lanczos": "LanczosDecomposition lanczos",
    "krylov.lanczos_solve": "lanczos_solve",
    "krylov.process": "LanczosProcess",
    "krylov.report": "SolveReport",
    "linearization": "Linearization",
    "lower_level": "LowerSolution lower_solution",
    "methods": "LancBiO SubBiO SubspaceSchedule",
    "minibatch": "Draw Minibatched fixed_batch",
    "minimize": "minimize",
    "operators.proofs": "certify_mu",
    "problem": "BilevelProblem LipschitzConstants LowerLevel UpperLevel",
    "result": "BilevelResult",
    "rounding": "Proven",
    "status": "CertificateStatus CheckVerdict SolveStatus StepStatus",
    "trace": "Trace",
}
_HOME, _fetch = fetching(__name__, _HOMES)
if not TYPE_CHECKING:  # or a checker would take every name for one of ours
    __getattr__ = _fetch


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
