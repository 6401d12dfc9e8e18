"""The family of generalized linear models for samples in blocks: X larger than memory, or on other machines.

:mod:`.door` says which X comes in blocks, and makes the problem; :mod:`.problem` is the family's own with sums over
blocks; :mod:`.samples` has those sums, :mod:`.operators` A and J, :mod:`.passes` what is done with one block,
:mod:`.fits` what a fit of it adds, and :mod:`.folds` several problems that share their readings.
"""

from .door import BlockedClassifier
from .folds import BlockedFolds
from .problem import BlockedProblem

__all__ = ["BlockedClassifier", "BlockedFolds", "BlockedProblem"]
