"""Word counts of the raw 20 Newsgroups archive ("bydate", Lang and Rennie), as arrays that `load_newsgroups` reads.

A word is two or more letters, digits or underscores in a row, in lower case; the vocabulary is that of the training
posts in alphabetical order. (These are the conventions of scikit-learn's ``CountVectorizer``, so that the counts are
those which papers state: 130107 words.) Posts are in the order of their groups and file names.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import ArgumentError
from .packed import LIMIT, as_path, unpacked

WORD = re.compile(r"\b\w\w+\b")
FOLDERS = {"train": "20news-bydate-train", "test": "20news-bydate-test"}


def count_posts(archive: str | os.PathLike[str], *, limit: int = LIMIT) -> dict[str, np.ndarray]:
    """The counts of the posts in a tar file, plain or packed by gzip, bzip2 or xz.

    Parameters
    ----------
    archive : str or path-like
        Holds ``20news-bydate-train/GROUP/POST`` and ``20news-bydate-test/GROUP/POST``, in Latin-1. Files whose
        names begin with a dot, which file managers leave behind, are no posts.
    limit : int, default 2**28
        No more bytes than this are unpacked.

    Returns
    -------
    dict of str to ndarray
        ``{train,test}_{data,indices,indptr,shape,target}``, CSR, and ``target_names``; what
        :func:`~lancbio_ref.datasets.load_newsgroups` reads from a file.

    Raises
    ------
    ArgumentError
        No intact tar file; one without these folders, or with links or devices in them; more bytes than `limit`.
    """
    archive = as_path(archive)
    posts: dict[str, list[tuple[str, str, Counter[str]]]] = {part: [] for part in FOLDERS}
    for part, group, post, content in _contents(archive, limit):
        posts[part].append((group, post, Counter(WORD.findall(content.decode("latin-1").lower()))))
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


def _contents(archive: Path, limit: int) -> Iterator[tuple[str, str, str, bytes]]:
    """(part, group, post, content) of every post."""
    with unpacked(archive, limit, "a tar file") as stream:
        data = io.BytesIO(stream.read())
    size, seen = data.seek(0, io.SEEK_END), set[PurePosixPath]()
    data.seek(0)
    try:
        with tarfile.open(fileobj=data, mode="r:") as file:
            while (member := file.next()) is not None:
                file.members.clear()  # type: ignore[attr-defined]  # read in their order: none is looked up
                path = PurePosixPath(member.name)
                part = next((part for part, folder in FOLDERS.items() if path.parts[:1] == (folder,)), None)
                if part is None or len(path.parts) != 3 or member.isdir() or path.name.startswith("."):
                    continue
                if ".." in path.parts or path in seen:
                    found = "a way out of its folder" if ".." in path.parts else "a second time"
                    raise ArgumentError(
                        f"{archive}, {member.name}", found, "every post once, in the folder of its group"
                    )
                seen.add(path)
                # a link leads anywhere; a sparse member is as large as it likes
                content = file.extractfile(member) if member.isreg() and not member.issparse() else None
                if content is None:
                    raise ArgumentError(f"{archive}, {member.name}", f"tar type {member.type!r}", "an ordinary file")
                yield part, path.parts[1], path.parts[2], content.read()
            end = file.offset
    except ArgumentError:
        raise
    except (OSError, EOFError, tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise ArgumentError(str(archive), f"unreadable ({error})", "an intact tar file") from None
    if end > size - tarfile.BLOCKSIZE or data.getvalue()[end:].strip(b"\0"):
        raise ArgumentError(f"{archive}, byte {end} unpacked", "neither a member nor the end", "an intact tar file")
