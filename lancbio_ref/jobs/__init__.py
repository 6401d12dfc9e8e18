"""What ``lancbio-ref run`` and ``compare`` run: data, runs of `minimize`, a report, files."""

from .compare import run_comparison
from .options import make_comparison, make_settings
from .run import run_job
from .settings import JOBS, PROBLEMS, Settings, options_table

__all__ = [
    "JOBS",
    "PROBLEMS",
    "Settings",
    "make_comparison",
    "make_settings",
    "options_table",
    "run_comparison",
    "run_job",
]
