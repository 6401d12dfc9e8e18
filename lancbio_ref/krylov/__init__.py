"""Lanczos: the process, its kernels, reorthogonalization, small tridiagonal systems, solves and error bounds."""

from .lanczos import LanczosDecomposition, lanczos
from .lanczos_solve import lanczos_solve
from .process import LanczosProcess
from .report import SolveReport
from .solve import solve

__all__ = ["LanczosDecomposition", "LanczosProcess", "SolveReport", "lanczos", "lanczos_solve", "solve"]
