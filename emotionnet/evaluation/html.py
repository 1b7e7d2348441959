"""Small pieces of HTML: a page that needs nothing but itself, on a screen, a phone or paper."""

import base64
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from emotionnet.templates import part, render


def page(title: str, parts: Iterable[Markup]) -> str:
    """A whole document."""
    return render("report.html", title=title, parts=list(parts))


def heading(text: str) -> Markup:
    """A section's heading."""
    return part("heading", text)


def paragraph(text: str, small: bool = False) -> Markup:
    """A paragraph of plain text."""
    return part("paragraph", text, small)


def box(strong: str, text: str) -> Markup:
    """A warning that cannot be overlooked."""
    return part("box", strong, text)


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], main: int | None = None
) -> Markup:
    """A table; the first cell of a row names it. ``main`` is the row printed bold."""
    return part("table", header, list(rows), main)


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """A table of names and values; empty values are left out."""
    return part("facts", [pair for pair in pairs if pair[1] not in ("", None)])


def figures(pictures: Iterable[tuple[bytes, str]], wide: bool = False) -> Markup:
    """Pictures side by side, or one below the other where they are ``wide``.

    Args:
        pictures: pairs of SVG bytes and caption, which also is the alternative text.
        wide: one picture a line.
    """
    pairs = [(base64.b64encode(svg).decode(), caption) for svg, caption in pictures]
    return part("figures", pairs, wide)


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of terms and what they mean."""
    return part("definitions", list(pairs))
