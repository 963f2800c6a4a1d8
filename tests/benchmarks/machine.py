"""What a measurement depends on: the machine, the versions and the commit."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = ("techco", "pysail", "pyspark", "deltalake", "duckdb", "papermill", "nbconvert", "ipykernel")
_BUSY = 0.5


def machine() -> dict[str, str | int]:
    """Model of the CPU, cores, bytes of memory, kernel, and version of Python."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The version of each package that is installed, and of Java."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if shutil.which("java"):
        found["java"] = _first_line(["java", "-version"])
    return found


def commit() -> str:
    """The commit of this checkout, with `-dirty` where files differ from it; empty where there is none."""
    return _first_line(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"])


def busy() -> str:
    """A warning if others use this machine now; empty if not."""
    load = os.getloadavg()[0]
    if load <= _BUSY * cores():
        return ""
    return f"The load average is {load:.2f} on {cores()} cores: others are at work here, and the times mean little."


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model.group(1) if model else platform.processor() or platform.machine()


def _first_line(command: list[str]) -> str:
    """What a command says first, empty if it fails; Java says it on stderr."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout or done.stderr).splitlines()), "") if done.returncode == 0 else ""
