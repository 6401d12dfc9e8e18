"""Word counts of the raw 20 Newsgroups archive ("bydate", Lang and Rennie), as arrays that `load_newsgroups` reads.

A word is two or more letters, digits or underscores in a row, in lower case; the vocabulary is that of the training
posts in alphabetical order. (These are the conventions of scikit-learn's ``CountVectorizer``, so that the counts are
those which papers state: 130107 words.) Posts are in the order of their groups and file names.
"""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zlib
from collections import Counter
from pathlib import PurePosixPath
from typing import IO

import numpy as np

from ..errors import ArgumentError

WORD = re.compile(r"\b\w\w+\b")
FOLDERS = {"train": "20news-bydate-train", "test": "20news-bydate-test"}


def count_posts(archive: str | os.PathLike) -> dict[str, np.ndarray]:
    """The counts of the posts in a tar file, plain or compressed.

    Parameters
    ----------
    archive : str or path-like
        Holds ``20news-bydate-train/GROUP/POST`` and ``20news-bydate-test/GROUP/POST``, in Latin-1.

    Returns
    -------
    dict of str to ndarray
        ``{train,test}_{data,indices,indptr,shape,target}``, CSR, and ``target_names``; what
        :func:`~lancbio_ref.datasets.load_newsgroups` reads from a file.

    Raises
    ------
    ArgumentError
        No intact tar file, or one without these folders.
    """
    posts: dict[str, list[tuple[str, str, Counter[str]]]] = {part: [] for part in FOLDERS}
    try:
        with tarfile.open(archive) as file:
            for member in file:
                path = PurePosixPath(member.name)
                part = next((part for part, folder in FOLDERS.items() if path.parts[:1] == (folder,)), None)
                if part is not None and len(path.parts) == 3 and (content := file.extractfile(member)) is not None:
                    posts[part].append((path.parts[1], path.parts[2], _words(content)))
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise ArgumentError(str(archive), f"unreadable ({error})", "an intact tar file") from None
    for part, found in posts.items():
        if not found:
            raise ArgumentError(
                str(archive), f"no posts in {FOLDERS[part]}", "posts in both folders, one folder a group"
            )
        found.sort(key=lambda post: post[:2])
    groups = sorted({group for group, _, _ in posts["train"]})
    vocabulary = sorted({word for _, _, words in posts["train"] for word in words})
    number = {word: j for j, word in enumerate(vocabulary)}
    arrays = {"target_names": np.array(groups)}
    for part, found in posts.items():
        if strangers := {group for group, _, _ in found} - set(groups):
            raise ArgumentError(str(archive), f"test posts of {sorted(strangers)}", "groups that have training posts")
        column = np.fromiter((number.get(word, -1) for *_, words in found for word in words), np.int32)
        count = np.fromiter((n for *_, words in found for n in words.values()), np.int32)
        row = np.repeat(np.arange(len(found)), [len(words) for *_, words in found])
        kept = np.lexsort((column, row))
        kept = kept[column[kept] >= 0]
        arrays |= {
            f"{part}_data": count[kept],
            f"{part}_indices": column[kept],
            f"{part}_indptr": np.searchsorted(row[kept], np.arange(len(found) + 1)),
            f"{part}_shape": np.array([len(found), len(vocabulary)]),
            f"{part}_target": np.array([groups.index(group) for group, _, _ in found]),
        }
    return arrays


def _words(content: IO[bytes]) -> Counter[str]:
    return Counter(WORD.findall(content.read().decode("latin-1").lower()))
