"""Data sets from their public addresses, each file checked against its SHA-256 sum before it is used."""

from __future__ import annotations

import os
from pathlib import Path

from ..arguments import as_choice
from ..errors import ArgumentError
from ..files import write_arrays
from .newsgroups import FILE
from .posts import count_posts

POSTS = "5975967"  # what its address calls 20news-bydate.tar.gz
ADDRESSES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "kmnist": "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "20newsgroups": "https://ndownloader.figshare.com/files/",
}
SUMS = {
    "mnist": {
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    },
    "fashion-mnist": {
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    },
    "kmnist": {
        "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    },
    "20newsgroups": {POSTS: "8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610"},
}


def fetch(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a set's files; what is missing there, or is not what it should be, is downloaded.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist", "kmnist", "20newsgroups"}
    directory : str or path-like, optional
        The files lie in its folder `name`; the user's cache folder by default.

    Returns
    -------
    Path
        For :func:`load_mnist_like`, or for :func:`load_newsgroups`, whose posts are counted once, into a file there.

    Raises
    ------
    ArgumentError
        No such set; ``pooch``, the extra ``data``, is not installed; no connection; a file whose sum is another (it is
        not kept).
    """
    as_choice("name", name, SUMS)
    try:
        import pooch
    except ImportError:
        expected = "pooch (pip install pooch), or --data-dir with the files"
        raise ArgumentError(f"download of {name}", "pooch is not installed", expected) from None
    folder = Path(pooch.os_cache("lancbio_ref") if directory is None else directory) / name
    for file, checksum in SUMS[name].items():
        url = ADDRESSES[name] + file
        try:
            pooch.retrieve(url, known_hash=f"sha256:{checksum}", fname=file, path=folder)
        except (OSError, ValueError) as error:  # no connection, no such file; another sum
            raise ArgumentError(url, str(error).strip(), f"a file with SHA-256 {checksum}") from error
    if name == "20newsgroups" and not (folder / FILE).is_file():
        write_arrays(folder / FILE, count_posts(folder / POSTS))
    return folder
