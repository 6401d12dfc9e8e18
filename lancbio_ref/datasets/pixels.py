"""Standardized images: (p/255 − m)/s, with the mean m and the deviation s of each set that its experiments use.

The numbers are those of the paper's experiments. MNIST's and Kuzushiji-MNIST's are mean and deviation of the training
pixels, to four digits; Fashion-MNIST's are (0.5, 0.5), which only map [0, 1] to [−1, 1] (its own would be
0.2860, 0.3530). They are part of the problem, not decoration: λ_max of the lower level's Hessian grows with the square
of the pixels, and with MNIST's numbers on Fashion-MNIST it is so large that the published inner step 0.1 is twice too
long.
"""

from __future__ import annotations

import numpy as np

from ..arguments import as_choice, refuse_masked
from ..errors import ArgumentError

PIXELS: dict[str, tuple[float, float]] = {  # name: (m, s)
    "mnist": (0.1307, 0.3081),
    "fashion-mnist": (0.5, 0.5),
    "kmnist": (0.1918, 0.3483),
}


def standardized_pixels(images: np.ndarray, name: str) -> np.ndarray:
    """Every image as a row of (p/255 − m)/s.

    Parameters
    ----------
    images : ndarray, shape (n, height, width), uint8
        As :func:`load_mnist_like` returns them.
    name : {"mnist", "fashion-mnist", "kmnist"}

    Returns
    -------
    ndarray, shape (n, height·width), float64

    Raises
    ------
    ArgumentError
        Another name; no array of numbers with an image a row.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.datasets import standardized_pixels
    >>> standardized_pixels(np.array([[[0, 255]], [[51, 102]]], dtype=np.uint8), "fashion-mnist")
    array([[-1. ,  1. ],
           [-0.6, -0.2]])
    """
    mean, deviation = PIXELS[as_choice("name", name, PIXELS)]
    refuse_masked("images", images)
    images = np.asarray(images)
    if images.ndim < 2 or images.dtype.kind not in "iuf" or 0 in images.shape[:1]:
        raise ArgumentError("images", f"{images.dtype} of shape {images.shape}", "numbers of shape (n, height, width)")
    return (images.reshape(len(images), -1) / 255 - mean) / deviation


def pixels_formula(name: str) -> str:
    """What :func:`standardized_pixels` does, in words for a report.

    Examples
    --------
    >>> from lancbio_ref.datasets.pixels import pixels_formula
    >>> pixels_formula("mnist")
    '(pixels / 255 - 0.1307) / 0.3081'
    """
    mean, deviation = PIXELS[as_choice("name", name, PIXELS)]
    return f"(pixels / 255 - {mean:g}) / {deviation:g}"
