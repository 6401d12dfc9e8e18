"""``python -m lancbio_ref`` is ``lancbio-ref``."""

import sys

from .cli import main

sys.exit(main())
