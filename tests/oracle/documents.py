"""Vector files for tests: copies to corrupt, and problems and methods made from them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from lancbio_ref import oracle, problems
from lancbio_ref.oracle.layout import canonical, field_sums


def raw_copy(id: str) -> dict:
    return copy.deepcopy(oracle.load(id).raw)


def write_document(folder: Path, raw: dict, *, sums: bool = False) -> Path:
    """The document as a file; with `sums`, these are made to fit."""
    if sums:
        raw["sums"] = field_sums(raw)
    path = folder / "changed.json"
    path.write_bytes(canonical(raw))
    return path


def leaves(value, path=""):
    """(path, container, key) of every leaf of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in items:
        place = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}" if path else key
        if isinstance(entry, (dict, list)) and entry:
            yield from leaves(entry, place)
        else:
            yield place, value, key


def problem_of(vector: oracle.Vector):
    """The package's problem with a vector's data."""
    name, d = vector.problem["name"], vector.problem["data"]
    if name == "quadratic":
        return problems.quadratic_from_arrays(d["A"], d["B"], d["d"], d["t"], d["rho"])
    if name == "ridge":
        return problems.ridge(d["X_train"], d["t_train"], d["X_val"], d["t_val"])
    if name == "synthetic":
        convex = (
            vector.result == "valid"
        )  # an array G that leaves g non-convex is refused; a sparse one is not seen through
        G, mu = (d["G"], None) if convex else (sp.csr_array(d["G"]), 1.0)
        return problems.synthetic_from_arrays(d["coef"], d["scale_x"], d["ridge"], G, d["gamma"], mu=mu)
    samples = d["X_train"], np.array(d["labels_train"]), d["X_val"], np.array(d["labels_val"])
    if name == "logistic":
        return problems.logistic(*samples, n_classes=d["classes"])
    return problems.data_cleaning(*samples, regularization=d["regularization"], n_classes=d["classes"])


def text(raw: dict) -> str:
    return json.dumps(raw)
