"""What the pages promise: every command is understood, every file that they name is there.

``.ci/run`` runs the README's two commands; here all others are read by the verbs' own command lines.
"""

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest

import emotionnet
from emotionnet.files import read_json
from emotionnet.fit import arguments
from emotionnet.training.config import DEFAULT_SYSTEM, RunConfig, home_of

HOME = Path(__file__).parents[1]
PAGES = sorted([
    *(HOME / "docs").rglob("*.md"), HOME / "README.md", HOME / "CHANGELOG.md",
    *(HOME / "data_manifests").glob("*.md"), *(HOME / "saved_models").glob("*.md"),
    *(HOME / "emotionnet" / "recipes").glob("*.py"),
])  # fmt: skip
COMMAND = re.compile(
    r"(?:python -m emotionnet\.|(?:^|/bin/)emotionnet )([a-z_]+)((?:\\\n|[^\n`#])*)", re.M
)
FILE = re.compile(
    r"(?<![\w/.])(?:benchmarks|tests|emotionnet|docs|data_manifests|colab)/[\w/]+\.(?:py|md|csv|ipynb)\b"
)
#: A command that is cut short, or says several at once, cannot be read.
CUT = re.compile(r"…|\.\.\.|\[| \| |\\\||^[.,:;)\"]")
each = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(HOME)))


def commands(text: str) -> list[tuple[str, str]]:
    return [(verb, rest.replace("\\\n", " ").strip(' "')) for verb, rest in COMMAND.findall(text)]


def test_the_pages_have_many_commands():
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    found = [c for text in texts for c in commands(text) if c[1] and not CUT.search(c[1])]
    assert len(found) > 80
    assert {verb for verb, _ in found} > {"fit", "predict", "export", "verify", "evaluate", "sweep"}


@each
def test_every_command_is_understood(page, capsys):
    for verb, rest in commands(page.read_text(encoding="utf-8")):
        assert verb in emotionnet.VERBS, f"{verb} {rest}"
        if not rest or CUT.search(rest):
            continue
        parser = importlib.import_module(f"emotionnet.{verb}").parser()
        words = shlex.split(rest.split(" && ")[0].split(" > ")[0])
        try:
            if verb not in ("fit", "sweep", "leave_out"):
                parser.parse_args(words)
                continue
            asked = arguments(parser, words)
        except SystemExit:
            pytest.fail(f"{verb} {rest}\n{capsys.readouterr().err}")
        verbs = (emotionnet.fit, getattr(emotionnet, verb))
        own = {
            *vars(RunConfig()),
            *(name for v in verbs for name in inspect.signature(v).parameters),
        }
        for name in set(asked) - own:
            home_of(name, asked["system"] or DEFAULT_SYSTEM)


@each
def test_every_file_that_is_named_is_there(page):
    named = set(FILE.findall(page.read_text(encoding="utf-8")))
    assert not sorted(name for name in named if not (HOME / name).exists())


def test_the_readme_links_to_what_is_there():
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", (HOME / "README.md").read_text("utf-8"))
    assert links
    assert not [link for link in links if not (HOME / link).exists()]


def test_figures_of_what_is_shipped_are_its_own():
    """They change where a bundle is exported again, or `people` is trained again."""
    shipped, results = HOME / "saved_models", HOME / "docs" / "results"
    bundles = (shipped / "demo_bundle", shipped / "people" / "bundle")
    contracts = [read_json(bundle / "contract.json") for bundle in bundles]
    demo, people = (read_json(bundle / "accuracy.json") for bundle in bundles)

    def percent(share: float) -> str:
        return f"{100 * share:.1f} %"

    def told(page: Path, words: str) -> str:
        paragraphs = page.read_text(encoding="utf-8").split("\n\n")
        (found,) = (paragraph for paragraph in paragraphs if words in paragraph)
        return found.partition(words)[2]

    moved = [contract["crop"]["sensitivity"]["shift_5_percent"] for contract in contracts]
    said = re.findall(r"\d+\.\d %", told(results / "handoff.md", "Of the committed demo bundle"))
    assert said == [
        percent(each[key]) for each in moved for key in ("same_answer", "same_answer_clear")
    ]

    said = told(results / "handoff.md", "The committed demo bundle is of")
    assert f"{percent(demo['keras']['fused']['accuracy'])} like Keras" in said
    assert demo["int8"]["fused"]["accuracy"] == demo["keras"]["fused"]["accuracy"]
    assert demo["int8"]["fused"]["agreement"] == 1

    both, faces, voice = (people["int8"][stream] for stream in ("fused", "faces", "speech"))
    said = told(results / "cross_corpus.md", f"On all {both['clips']:,} test clips")
    assert re.findall(r"\d+\.\d %|0\.\d{3}", said) == [
        percent(both["agreement"]), percent(both["agreement_clear"]), percent(both["accuracy"]),
        percent(people["keras"]["fused"]["accuracy"]), f"{both['largest_difference']:.3f}",
        percent(voice["agreement"]), percent(faces["agreement"]),
    ]  # fmt: skip

    said = told(HOME / "README.md", "like\nthe run on ")
    assert said.startswith(f"{percent(both['agreement'])} of {both['clips']:,} test clips")

    voices = read_json(shipped / "people" / "metrics_ravdess.json")["fused"]
    pictures = contracts[1]["provenance"]["combined"]["faces"]["scores"]
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    for scores in (voices, pictures):
        row = f"{scores['n']:,} | {percent(scores['accuracy'])} (", f"| {percent(scores['uar'])} |"
        assert any(all(cell in line for cell in row) for line in readme.splitlines()), row
