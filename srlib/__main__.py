"""`python -m srlib` is the command line."""

import sys

from srlib.cli import main

sys.exit(main())
