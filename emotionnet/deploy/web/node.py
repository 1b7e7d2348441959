"""Node and npm: where they are, the packages of `package.json`, and esbuild, which makes one script."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

from emotionnet.errors import EmotionNetError
from emotionnet.files import cache_folder, sha256

#: The oldest that esbuild and the tests run on.
OLDEST_NODE = 18
NO_NODE = (
    "the page is put together by Node, and there is none of version {oldest} or later here{found}.\n"
    "Install it from your system's packages, or beside this package: pip install 'emotionnet[page]'\n"
    "Then run the same command again. It fetches two packages once (12 MB) and keeps them."
)
_LISTS = ("package.json", "package-lock.json", ".npmrc")


def find_node() -> tuple[str, str]:
    """The programs ``node`` and ``npm``: of this Python's environment, or of the system.

    Raises:
        EmotionNetError: there are none, or they are too old.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node, npm = (shutil.which(name, path=places) for name in ("node", "npm"))
    found = ""
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
        if int(said.removeprefix("v").partition(".")[0] or 0) >= OLDEST_NODE:
            return node, npm
        found = f" (found: {said or 'one that does not run'})"
    raise EmotionNetError(NO_NODE.format(oldest=OLDEST_NODE, found=found))


def packages() -> Path:
    """The folder ``node_modules`` with what `package-lock.json` names; fetched once, then kept.

    Raises:
        EmotionNetError: there is no Node, or npm could not fetch them.
    """
    _, npm = find_node()  # also where they are kept: what follows needs Node
    here = resources.files("emotionnet.deploy.web")
    lock = here.joinpath("package-lock.json").read_bytes()
    kept = cache_folder() / "web" / sha256(lock)[:16]
    if kept.is_dir():
        return kept / "node_modules"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".npm.") as work:
        folder = Path(work) / "packages"
        folder.mkdir()
        for name in _LISTS:
            (folder / name).write_bytes(here.joinpath(name).read_bytes())
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        done = subprocess.run(
            [npm, "ci", *quiet], cwd=folder, capture_output=True, text=True, env=_environment()
        )
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise EmotionNetError(
                "npm could not fetch what the page is made with: "
                f"{reason[0] if reason else f'it ended with {done.returncode}'}. Is there a network?"
            )
        try:
            os.replace(folder, kept)
        except OSError:  # somebody else was faster
            if not kept.is_dir():
                raise
    return kept / "node_modules"


def one_script(entry: Path) -> str:
    """The module ``entry`` with all that it imports, as one script for a browser.

    Raises:
        EmotionNetError: there is no Node, or a module has a mistake.
    """
    modules = packages()
    node, _ = find_node()
    options = ("--bundle", "--minify", "--format=iife", "--charset=utf8", "--target=es2022")
    done = subprocess.run(
        [node, modules / "esbuild" / "bin" / "esbuild", entry, *options, "--legal-comments=inline"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=_environment() | {"NODE_PATH": str(modules)},
    )
    if done.returncode:
        raise EmotionNetError(f"esbuild: {done.stderr.strip()}")
    return done.stdout


def _environment() -> dict[str, str]:
    # npm of an environment finds its node beside it.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path}
