"""What every ``python -m emotionnet.<verb>`` shares: exit codes, and modules that can be called."""

import argparse
import errno
import io
import os
import shlex
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from emotionnet.environment import own_process
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import is_full

#: What can be done, and what cannot, where there is no TensorFlow.
NO_TENSORFLOW = (
    "this needs TensorFlow, which is not installed. Install it (pip install 'emotionnet[cpu]'). With JAX "
    "alone, set KERAS_BACKEND=jax, and train and evaluate from a cache (fit --records-cache DIR) that "
    "was written where there is TensorFlow."
)


class Verb(types.ModuleType):
    """A module that can be called: ``emotionnet.fit(...)`` calls ``emotionnet.fit.fit(...)``.

    Without it, importing the submodule ``emotionnet.fit`` would hide a function of that name.
    """

    @property
    def _verb(self) -> Callable:
        return getattr(self, self.__name__.rpartition(".")[2])

    def __call__(self, *args, **kwargs):
        return self._verb(*args, **kwargs)

    @property
    def __signature__(self):
        """The function's own: for completion and help in notebooks."""
        import inspect

        return inspect.signature(self._verb)


def as_verb(module_name: str, main: Callable[[Sequence[str] | None], int | None]) -> None:
    """What the module of a verb ends with: it runs ``main`` as a program, and is a `Verb` where it is imported."""
    if module_name == "__main__":
        run_command(main)
    else:
        sys.modules[module_name].__class__ = Verb


def command_line(verb: str, description: str, **options: Any) -> argparse.ArgumentParser:
    """The parser of a verb that does what ``description`` says; ``options`` are argparse's own."""
    return argparse.ArgumentParser(
        prog=f"python -m emotionnet.{verb}", description=description, **options
    )


def command_text(verb: str, *arguments: str | os.PathLike) -> str:
    """The command of a verb, as it can be pasted into a shell: names with blanks are quoted."""
    return shlex.join(["python", "-m", f"emotionnet.{verb}", *map(os.fspath, arguments)])


def not_empty(value: str | os.PathLike, what: str) -> str | os.PathLike:
    """The name ``value`` of ``what`` (``a clip``), which an empty one is not: it would be any folder.

    Raises:
        UsageError: it is empty, or blank.
    """
    if not os.fspath(value).strip():
        raise UsageError(
            f"the name of {what} is empty. Was a variable of the shell not set? Nothing was done."
        )
    return value


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuses a command line with an empty argument: an empty folder would be the current one.

    Raises:
        UsageError: one is empty, or an option is given an empty value (``--root ""``, ``--root=``).
    """
    for before, argument in zip(("", *arguments), arguments):
        option, equals, value = argument.partition("=")
        if equals and option.startswith("--") and not value.strip():
            not_empty(value, f"what {option} gives")
        elif not argument.strip():
            is_value = before.startswith("--") and "=" not in before
            not_empty(argument, f"what {before} gives" if is_value else "an argument")


def explain_os_error(error: OSError) -> str:
    """One line for a person: the file, what was found, what to do."""
    name = error.filename or "a file"
    if is_full(error):
        return f"{name}: the disk is full. Free some space{_remedy(error, ' and try again')}."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{name}: may not be written or read (permissions). Choose another folder."
    return f"{name}: {error.strerror or error}"


def text_table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines of cells as text: the first ``left`` columns flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


@contextmanager
def resumes(how: str) -> Iterator[None]:
    """Around work that can be resumed: the message where it is interrupted.

    Args:
        how: what is kept, and which command continues; said after Ctrl-C and after a full disk.
    """
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        error.add_note(how)
        raise


def _remedy(error: BaseException, otherwise: str = "") -> str:
    """The text of the innermost `resumes` for an error."""
    notes = getattr(error, "__notes__", ())
    return f": {notes[0]}" if notes else otherwise


def run_command(main: Callable[[Sequence[str] | None], int | None]) -> None:
    """Runs ``main(None)`` and leaves the process: 0 done, 1 failure, 2 bad usage, 130 interrupted.

    Errors that a user can mend are printed as one message on stderr, without a traceback.
    """
    own_process()
    _open_streams()
    try:
        refuse_empty(sys.argv[1:])
        code = main(None) or 0
    except EmotionNetError as error:
        kind = "usage" if isinstance(error, UsageError) else "error"
        print(f"{kind}: {error}", file=sys.stderr)
        code = error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorflow":
            raise
        print(f"error: {NO_TENSORFLOW}", file=sys.stderr)
        code = 1
    except BrokenPipeError:
        code = 1
    except OSError as error:
        print(f"error: {explain_os_error(error)}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt as error:
        print(f"interrupted{_remedy(error)}", file=sys.stderr)
        code = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the answers has stopped (``| head``); nor can what is still buffered be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_streams() -> None:
    """Makes both outputs take any text: where the caller has closed one (``>&-``), and in any encoding.

    A log on Windows, or on a machine of another language, has no room for all letters of a class or a file.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(getattr(sys, name), io.TextIOWrapper):
            getattr(sys, name).reconfigure(errors="backslashreplace")
