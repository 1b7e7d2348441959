"""Small pieces of HTML: a page that needs nothing but itself, on a screen, a phone or paper."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

_CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #1b1b1b;
  background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ccc; }
p { max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.facts th { font-weight: 600; vertical-align: top; white-space: normal; min-width: 10rem;
  max-width: 16rem; overflow-wrap: anywhere; }
tr.main td, tr.main th { font-weight: 700; }
.box { border: 2px solid #b35900; border-left-width: .5rem; background: #fff4e5;
  padding: .5rem 1rem; margin: 1rem 0; border-radius: .25rem; }
.box p { margin: .25rem 0; }
.figures { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.figures.wide { grid-template-columns: minmax(0, 40rem); }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; }
figcaption, .small { font-size: .85rem; color: #444; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: 0; max-width: 46rem; }
@media print {
  @page { size: A4; margin: 15mm; }
  body { font-size: 10pt; max-width: none; padding: 0; }
  .figures { grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
  .figures.wide { grid-template-columns: 36rem; }
  h2 { break-after: avoid; }
  table, figure, .box, tr, dl > div { break-inside: avoid; }
  .scroll { overflow: visible; }
  .box, figure { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  th, td { padding: .15rem .45rem; }
}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Without an icon of its own a browser asks the server for one.
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """A section's heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, small: bool = False) -> str:
    """A paragraph of plain text."""
    return f'<p class="small">{escape(text)}</p>' if small else f"<p>{escape(text)}</p>"


def box(strong: str, text: str) -> str:
    """A warning that cannot be overlooked."""
    text = f"<p><strong>{escape(strong)}</strong></p><p>{escape(text)}</p>"
    return f'<div class="box" role="note">{text}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]], main: int | None = None) -> str:
    """A table; the first cell of a row names it. ``main`` is the row printed bold."""
    head = "".join(f'<th scope="col">{escape(str(h))}</th>' for h in header)
    body = []
    for i, (name, *cells) in enumerate(rows):
        tag = '<tr class="main">' if i == main else "<tr>"
        tail = "".join(f"<td>{escape(str(c))}</td>" for c in cells)
        body.append(f'{tag}<th scope="row">{escape(str(name))}</th>{tail}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A table of names and values; empty values are left out."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in pairs
        if value not in ("", None)
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def figures(pictures: Iterable[tuple[bytes, str]], wide: bool = False) -> str:
    """Pictures side by side, or one below the other where they are ``wide``.

    Args:
        pictures: pairs of SVG bytes and caption, which also is the alternative text.
        wide: one picture a line.
    """
    items = []
    for svg, caption in pictures:
        data = base64.b64encode(svg).decode()
        items.append(
            f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return f'<div class="figures{" wide" if wide else ""}">{"".join(items)}</div>'


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of terms and what they mean."""
    items = (f"<div><dt>{escape(t)}</dt><dd>{escape(d)}</dd></div>" for t, d in pairs)
    return f"<dl>{''.join(items)}</dl>"
