"""Find the Java that Apache Spark would start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from techco.errors import EngineError

NEEDED = 17
"""The oldest Java that Spark 4 runs on: https://spark.apache.org/docs/latest/#downloading"""
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # Java 8 calls itself 1.8
_TIMEOUT_S = 10


def check_java() -> int:
    """Return the major version of Java.

    Raises
    ------
    EngineError
        When there is none, or one that is too old; says how to get it.
    """
    found = java_version()
    if found is None or found < NEEDED:
        what = "There is no Java" if found is None else f"Java is {found}"
        raise EngineError(
            f"{what}, and Apache Spark needs {NEEDED} or newer. Install it, for instance with apt-get install "
            "openjdk-17-jre-headless, and if there are several, name its folder in JAVA_HOME."
        )
    return found


def java_version() -> int | None:
    """Return the major version of the Java that Apache Spark would start, None if there is none that works."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None)
    if not program:
        return None
    try:
        output = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(output)
    return int(found[1]) if found else None
