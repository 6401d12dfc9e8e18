"""Structures of tensors as vectors of one type and back; a module is the dict of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import ArgumentError
from .problem import NO_VARIABLE, Tree
from .tree import filled, leaves, mapped, paths


def flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """All entries as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class TorchStructure:
    """A structure of tensors of one floating-point type; see `Structure`."""

    def __init__(self, name: str, tree: Tree) -> None:
        tensors = _as_tensors(name, tree)
        self.name, self.tree = name, mapped(_parameters(tree), lambda leaf: True)  # its shape, without its numbers
        self.dtype, self.start = tensors[0].dtype, flat(tensors).numpy().copy()
        self.paths, self.shapes = paths(self.tree), [tuple(tensor.shape) for tensor in tensors]
        self.sizes = [tensor.numel() for tensor in tensors]

    def ravel(self, tree: Tree) -> np.ndarray:
        """The vector; :class:`ArgumentError` where `tree` has other leaves or shapes."""
        found = paths(_parameters(tree))
        if found != self.paths:
            raise ArgumentError(self.name, f"leaves {found}", f"leaves {self.paths}")
        tensors = _as_tensors(self.name, tree)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        if shapes != self.shapes:
            raise ArgumentError(self.name, f"shapes {shapes}", f"{self.shapes}")
        return flat(tensors).to(self.dtype).numpy().copy()

    def unravel(self, vector: Any) -> Tree:
        """The tree of a vector, with its graph where it is a tensor that has one."""
        whole = vector if isinstance(vector, torch.Tensor) else torch.tensor(np.asarray(vector), dtype=self.dtype)
        if whole.shape != self.start.shape:
            raise ArgumentError(self.name, f"shape {tuple(whole.shape)}", f"shape {self.start.shape}")
        parts = zip(whole.split(self.sizes), self.shapes, strict=True)
        return filled(self.tree, (part.reshape(shape) for part, shape in parts))


def _parameters(tree: Tree) -> Tree:
    """A module is the dict of its parameters, but those that are frozen; any other tree is itself."""
    if not isinstance(tree, torch.nn.Module):
        return tree
    return {name: parameter for name, parameter in tree.named_parameters() if parameter.requires_grad}


def _as_tensors(name: str, tree: Tree) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    found = [leaf.value.dtype for leaf in leaves(_parameters(tree)) if isinstance(leaf.value, torch.Tensor)]
    dtype = found[0] if found else torch.get_default_dtype()
    for path, value in leaves(_parameters(tree)):
        try:
            if isinstance(value, torch.Tensor):
                tensor = value.detach()
            elif isinstance(value, float) and not isinstance(value, np.floating):  # a number has the others' type
                tensor = torch.tensor(value, dtype=dtype)
            else:
                tensor = torch.from_numpy(np.array(value))
        except (TypeError, ValueError):
            raise ArgumentError(name + path, type(value).__name__, "a tensor or an array") from None
        if tensor.layout != torch.strided:
            raise ArgumentError(name + path, f"layout {tensor.layout}", "a dense tensor: tensor.to_dense()")
        if tensor.device.type != "cpu":
            raise ArgumentError(name + path, f"a tensor on {tensor.device}", "one on the CPU: tensor.cpu()")
        if tensor.dtype not in (torch.float32, torch.float64):
            raise ArgumentError(name + path, f"dtype {tensor.dtype}", f"float64 or float32{NO_VARIABLE}")
        if not bool(tensor.isfinite().all()):
            raise ArgumentError(name + path, "NaN or infinity", "finite numbers")
        if tensors and tensor.dtype != tensors[0].dtype:
            raise ArgumentError(name + path, f"dtype {tensor.dtype}", f"{tensors[0].dtype}, as the leaves before it")
        tensors.append(tensor)
    if not sum(tensor.numel() for tensor in tensors):
        raise ArgumentError(name, "no entries", "at least one")
    return tensors
