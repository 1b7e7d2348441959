"""HTML by templates, so that what a bundle, a folder or a person writes stays text."""

from functools import cache
from typing import Any

import jinja2


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("emotionnet.web"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, /, **values: Any) -> str:
    """A template of `templates/`, filled in; values are escaped, save those that are `Markup`."""
    return _environment().get_template(template).render(values)


def script_data(text: str) -> str:
    """JSON that may stand inside a ``<script>``: nothing in it can end the element."""
    return text.replace("<", "\\u003c")
