"""``python -m softreserve``."""

import sys

from softreserve.cli import main

sys.exit(main())
