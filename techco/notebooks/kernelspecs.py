"""Find installed kernels of another Python than the one that runs techco, and the command that starts them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from techco.errors import ParameterError

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec

PYTHON3 = "python3"
"""The kernel of the Python that runs techco, whatever else is installed under this name."""
_IPYKERNEL = ("ipykernel_launcher", "ipykernel")


def find_kernel(name: str) -> KernelSpec | None:
    """Return the installed kernel of a name; None for `python3`.

    Raises
    ------
    ParameterError
        When there is none, or it is not ipykernel, or its Python is gone; names those that are installed.
    """
    if name == PYTHON3:
        return None
    from jupyter_client.kernelspec import KernelSpecManager
    from traitlets import TraitError

    specs = KernelSpecManager()
    installed = specs.find_kernel_specs()
    if name not in installed:
        others = ", ".join(sorted({PYTHON3, *installed}))
        raise ParameterError(
            f"There is no kernel {name!r}. Installed: {others}. Install one by its Python: "
            "python -m ipykernel install --user --name NAME."
        )
    try:
        spec: KernelSpec = specs.get_kernel_spec(name)
    except (OSError, TypeError, ValueError, TraitError) as error:
        raise ParameterError(f"The kernel {name} in {installed[name]} is not readable: {error}.") from None
    if _launches_ipykernel(spec.argv) is None:
        raise ParameterError(
            f"The kernel {name} is started by {' '.join(spec.argv)!r}. Allowed: python3, and kernels that are started "
            "by 'python -m ipykernel_launcher'."
        )
    # Jupyter replaces a plain `python` by the Python that runs it.
    if not spec.argv[0].startswith("python") and not shutil.which(spec.argv[0]):
        raise ParameterError(f"The kernel {name} needs {spec.argv[0]}, which is not there. Install it again.")
    return spec


def without_current_directory(words: Sequence[str], folder: Path) -> list[str]:
    """Return a kernel's command changed so that it imports nothing from the current directory, and last from a folder.

    `python -m` would import even ipykernel from the current directory.
    """
    place = _launches_ipykernel(words)
    assert place is not None, "it has been checked"
    code = f"import sys; sys.path[:] = [path for path in sys.path if path] + [{str(folder.absolute())!r}]; "
    code += "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
    return [*words[:place], "-c", code, *words[place + 2 :]]


def _launches_ipykernel(words: Sequence[str]) -> int | None:
    """Return the place of the words `-m ipykernel_launcher`, None if they are not there."""
    pairs = itertools.pairwise(words)
    return next((place for place, pair in enumerate(pairs) if pair[0] == "-m" and pair[1] in _IPYKERNEL), None)
