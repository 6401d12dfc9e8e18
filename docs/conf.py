"""The site: ``make docs`` builds it into ``docs/_build/html``; warnings are errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lancbio_ref

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

project = "lancbio_ref"
author = "the lancbio_ref developers"
copyright = "the lancbio_ref developers, BSD-3-Clause"
version = release = lancbio_ref.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "repository_links",
    "plain_docstrings",
    "explorer",
    "offline",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_ext",
    "_extra",
    "candidates",
    "gallery",
    "examples/*.ipynb",
    "decisions/README.md",
    "package.md",
]  # of the gallery, what it makes is read
nitpicky = False
suppress_warnings = ["config.cache"]  # the gallery's options hold a class, which the cache leaves out

# ---- the chapters: notebooks in Markdown, executed at every change
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_execution_excludepatterns = ["decisions/*", "oracle.md", "faults.md", "performance.md", "index.md"]
nb_merge_streams = True

# ---- the gallery: scripts, executed at every change
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (640, 320),
    "reset_modules": ("matplotlib", "gallery_style.use_style"),
}

# ---- the reference
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

# ---- the pages
html_theme = "furo"
html_title = f"lancbio_ref {release}"
html_static_path = ["_static"]
html_extra_path = ["_extra"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00507a", "color-brand-content": "#00507a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ee", "color-brand-content": "#7cc4ee"},
}
