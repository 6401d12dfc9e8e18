"""The family of generalized linear models for samples in blocks: X larger than memory, or on other machines.

:mod:`.door` says which X comes in blocks, and makes the problem; :mod:`.problem` is the family's own with sums over
blocks; :mod:`.samples` has those sums, :mod:`.operators` A and J, :mod:`.passes` what is done with one block.
"""

from .door import BlockedClassifier
from .problem import BlockedProblem

__all__ = ["BlockedClassifier", "BlockedProblem"]
