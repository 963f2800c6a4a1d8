"""JupyterLab on a working copy of a notebook."""
