"""Data: a small real set that travels with the package, readers for larger ones, splits and label noise."""

from .digits import load_digits
from .idx import MnistLike, load_idx, load_mnist_like
from .splits import corrupt_labels, stratified_split

__all__ = ["MnistLike", "corrupt_labels", "load_digits", "load_idx", "load_mnist_like", "stratified_split"]
