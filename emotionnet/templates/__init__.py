"""HTML of all our pages, by templates: what a bundle, a folder or a person writes stays text in it.

`base.html` is every page's frame, `look.css` what those on a screen share, `parts.html` the pieces of
reports.
"""

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("emotionnet", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, /, **values: Any) -> str:
    """A template, filled in; values are escaped, save those that are `Markup`."""
    return _environment().get_template(template).render(values)


def part(name: str, /, *values: Any) -> Markup:
    """A macro of ``parts.html``, filled in."""
    return getattr(_environment().get_template("parts.html").module, name)(*values)


def script_data(json_text: str) -> Markup:
    """JSON that is safe inside a ``<script>``: nothing in it can end the element."""
    return Markup(json_text.replace("<", "\\u003c"))
