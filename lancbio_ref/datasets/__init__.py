"""Data: a small real set that travels with the package, readers for larger ones, splits and label noise."""

from .digits import load_digits
from .download import fetch
from .idx import MnistLike, load_idx, load_mnist_like
from .libsvm import load_libsvm
from .newsgroups import Newsgroups, load_newsgroups, tfidf
from .pixels import standardized_pixels
from .posts import count_posts
from .splits import corrupt_labels, stratified_split

__all__ = [
    "MnistLike",
    "Newsgroups",
    "corrupt_labels",
    "count_posts",
    "fetch",
    "load_digits",
    "load_idx",
    "load_libsvm",
    "load_mnist_like",
    "load_newsgroups",
    "standardized_pixels",
    "stratified_split",
    "tfidf",
]
