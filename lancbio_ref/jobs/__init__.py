"""What ``lancbio-ref run`` runs: data, a run of `minimize`, a report, three files."""

from .cleaning import run_cleaning
from .settings import JOBS, CleaningSettings, Settings, SyntheticSettings, make_settings
from .synthetic import run_synthetic

__all__ = [
    "JOBS",
    "CleaningSettings",
    "Settings",
    "SyntheticSettings",
    "make_settings",
    "run_cleaning",
    "run_synthetic",
]
