"""Samples that are not all in memory: blocks of rows, read one at a time here, or held by the workers of a cluster.

Everything that a finite sum needs of X is a sum over blocks. :mod:`.base` says what any kind of blocks can do,
:mod:`.local` has those of one machine, :mod:`.source` what they are read from, :mod:`.pages` what memory maps keep
resident, and :mod:`.mapped_csr` sparse matrices in files.
"""

from .base import Block, Blocks, Each, Kept, added
from .local import LocalBlocks
from .mapped_csr import MappedCSR, open_csr

__all__ = ["Block", "Blocks", "Each", "Kept", "LocalBlocks", "MappedCSR", "added", "open_csr"]
