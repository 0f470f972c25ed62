"""`python -m vox` is the `vox` command."""

import sys

from vox.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
