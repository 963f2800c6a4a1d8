"""`techco` and `python -m techco`: heeds signals before it loads anything that takes time."""

from __future__ import annotations

import sys
from typing import NoReturn

from techco.system import signals


def main() -> NoReturn:
    """Run the command line of this process, and exit."""
    code: object = 0
    try:
        signals.install_handlers()
        from techco.cli import app

        app.main()
    except SystemExit as error:
        code = error.code
    except BaseException:  # an import that was broken off may raise anything
        if not signals.was_interrupted():
            raise
    signals.exit_on_next_signal()
    if signals.was_interrupted():
        signals.exit_now()
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
