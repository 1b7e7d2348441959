"""Errors for people: which file, what was found, what to do."""


class EmotionNetError(Exception):
    """Something failed that the user can mend. The text is the whole message; exit code 1."""

    exit_code = 1


class UsageError(EmotionNetError):
    """The command was called wrongly (an unknown name, a missing path, a contradiction). Exit code 2."""

    exit_code = 2


class BadClip(EmotionNetError):
    """One clip cannot be used. Never stops a corpus: the clip is listed with this reason.

    Args:
        reason: one line, without the file name: what was found and, where it helps, what to do.
    """


class UnreadClip(BadClip):
    """One clip could not be read this time, for a reason outside it: rights, a disk that is away, a process that was
    killed. The next `prepare` tries it again, though its files have not changed."""
