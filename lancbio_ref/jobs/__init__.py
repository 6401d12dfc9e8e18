"""What ``lancbio-ref run`` and ``compare`` run: data, runs of `minimize`, a report, files."""

from .cleaning import run_cleaning
from .compare import run_comparison
from .compare_settings import PROBLEMS, make_comparison, options_table
from .settings import JOBS, CleaningSettings, Settings, SyntheticSettings, make_settings
from .synthetic import run_synthetic

__all__ = [
    "JOBS",
    "PROBLEMS",
    "CleaningSettings",
    "Settings",
    "SyntheticSettings",
    "make_comparison",
    "make_settings",
    "options_table",
    "run_cleaning",
    "run_comparison",
    "run_synthetic",
]
