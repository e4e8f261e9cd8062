"""``python -m infra.cli``: what ``./portfolio`` hands over to."""

import sys

from infra.cli.entrance import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
