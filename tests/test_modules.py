"""Every module of the package can be imported, but those that say which extra they need."""

import importlib
import importlib.util
import pkgutil

import pytest

import lancbio_ref

NEEDS = {"lancbio_ref.adapters.jax": "jax", "lancbio_ref.adapters.torch": "torch"}
NEEDS |= {f"lancbio_ref.adapters.torch_{part}": "torch" for part in ("inspection", "linear", "structure")}
NEEDS |= {f"lancbio_ref.adapters.jax_{part}": "jax" for part in ("derivatives", "inspection", "linear", "structure")}
NEEDS["lancbio_ref.blocks.dask"] = "dask"
MODULES = [module.name for module in pkgutil.walk_packages(lancbio_ref.__path__, "lancbio_ref.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_a_module_is_imported_or_names_its_extra(name):
    extra = NEEDS.get(name)
    if extra is None or importlib.util.find_spec(extra) is not None:
        importlib.import_module(name)
        return
    with pytest.raises(ImportError, match=rf"pip install {extra}|No module named '{extra}'"):
        importlib.import_module(name)
