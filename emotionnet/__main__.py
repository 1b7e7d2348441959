"""``emotionnet VERB …`` and ``python -m emotionnet VERB …``: every verb, and what each is for."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from emotionnet import VERBS, __version__
from emotionnet.command import run_command
from emotionnet.errors import UsageError


def overview() -> str:
    """All verbs with a line each."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {line}" for verb, line in VERBS.items()]
    return "\n".join([
        f"EmotionNet {__version__}: audio-visual emotion recognition, from clips to a model on a phone.",
        "", "usage: emotionnet VERB …      (python -m emotionnet.VERB is the same)", "",
        *lines, "", "`emotionnet VERB --help` says more; `emotionnet fit` alone runs everything once, on drawn faces.",
    ])  # fmt: skip


def main() -> None:
    """Runs the verb that the command line names, and leaves the process."""
    run_command(_run)


def _run(argv: Sequence[str] | None = None) -> int | None:
    verb, *rest = sys.argv[1:] or ["--help"]
    if verb in ("-h", "--help"):
        print(overview())
        return 0
    if verb == "--version":
        print(__version__)
        return 0
    name = verb.replace("-", "_")
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=2)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(VERBS)}."
        raise UsageError(f"emotionnet VERB …: there is no verb {verb!r}. {meant}")
    module = importlib.import_module(f"emotionnet.{name}")
    sys.argv = [module.__file__, *rest]  # what a run notes as its command
    return module.main()


if __name__ == "__main__":
    main()
