"""The model in a browser: one HTML file with everything in it, and what our pages share.

`build.py` assembles the page from a bundle, `js/` is what runs in it; its HTML and CSS are in
`emotionnet.templates`.
Third-party code (LiteRT.js, BlazeFace, esbuild) is fetched by npm when a page is made (`node.py`).
"""
