"""`techco` and `python -m techco`: heeds signals before it loads anything that takes time."""

from __future__ import annotations

import sys
from typing import NoReturn

from techco import interrupts


def main() -> NoReturn:
    """Run the command line of this process, and exit."""
    code: object = 0
    try:
        interrupts.heed()
        from techco import cli

        cli.main()
    except SystemExit as error:
        code = error.code
    except BaseException:  # an import that was broken off may raise anything
        if not interrupts.came():
            raise
    interrupts.settle()
    if interrupts.came():
        interrupts.leave()
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
