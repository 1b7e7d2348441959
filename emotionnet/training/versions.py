"""What a run ran on: its ``versions.json``."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from emotionnet.environment import package_versions

#: Variables that choose oneDNN's instructions, which decide how sums are rounded, and so the trained weights.
_ROUNDING = ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")
_PACKAGES = (
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "jax",
    "numpy",
    "mtcnn",
    "librosa",
    "scikit-learn",
    "av",
)


def versions() -> dict[str, Any]:
    """Python, packages, machine and its processor, git commit, command and time, as plain data."""
    return {
        "emotionnet": metadata.version("emotionnet"),
        "commit": git_commit(),
        "python": platform.python_version(),
        "packages": package_versions(_PACKAGES),
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        **{name: os.environ[name] for name in _ROUNDING if name in os.environ},
        "command": ["python -m emotionnet." + Path(sys.argv[0]).stem, *sys.argv[1:]],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    """The processor's name; trainings on different ones round differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def git_commit() -> str:
    """The commit of this source tree, with "+changes" where it differs; "" outside git."""
    here = Path(__file__)

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        # An installed package may lie in another project.
        git("ls-files", "--error-unmatch", here.name)
        commit = git("rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
