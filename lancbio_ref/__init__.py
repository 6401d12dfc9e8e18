"""Hyper-gradients you can trust: the reference implementation of LancBiO and SubBiO.

    min_x f(x, y*(x)),   y*(x) = argmin_y g(x, y),   ∇φ = ∇_x f − ∇²_xy g [∇²_yy g]⁻¹ ∇_y f

Define a :class:`BilevelProblem`, ask for one :func:`hypergradient` with its certificate, or :func:`minimize` it.
"""

from . import methods, problems
from .certificate import Certificate
from .errors import ArgumentError, CallableError, DivergenceError, EvaluationError, LancbioError, RepresentationError
from .evaluation import Evaluation
from .final_check import FinalCheck
from .formation import Bound
from .hyper_objective import HyperObjective
from .hypergradient import HyperGradient, hypergradient
from .inverse import InverseReport, LowerSolution, lower_solution
from .krylov import LanczosDecomposition, LanczosProcess, lanczos, lanczos_solve
from .linearization import Linearization
from .methods import LancBiO, SubBiO, SubspaceSchedule
from .minibatch import Draw, Minibatched, fixed_batch
from .minimize import BilevelResult, minimize
from .operators.proofs import certify_mu
from .problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
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
    "DivergenceError",
    "Draw",
    "Evaluation",
    "EvaluationError",
    "FinalCheck",
    "HyperGradient",
    "HyperObjective",
    "InverseReport",
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
    "SolveStatus",
    "StepStatus",
    "SubBiO",
    "SubspaceSchedule",
    "Trace",
    "UpperLevel",
    "certify_mu",
    "fixed_batch",
    "hypergradient",
    "lanczos",
    "lanczos_solve",
    "lower_solution",
    "methods",
    "minimize",
    "problems",
]
