"""What each kernel that runs this Python imports before all else; importing this imports it."""

from techco.notebooks.slim_imports import import_ipykernel

import_ipykernel()
