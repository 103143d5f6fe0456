"""`python -m scoregeo`: the command line of `scoregeo`."""

import sys

from scoregeo.run.cli import main

if __name__ == "__main__":
    sys.argv[0] = "scoregeo"  # the name that usage and errors begin with
    main()
