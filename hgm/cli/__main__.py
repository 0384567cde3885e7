"""`python -m hgm.cli`, for machines where the package is not installed."""

import sys

from hgm.cli import main

sys.exit(main())
