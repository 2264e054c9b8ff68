"""`python -m ng_ws`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
