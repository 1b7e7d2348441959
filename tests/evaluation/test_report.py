"""The report is one file: it parses, has its pictures inside, and asks for nothing outside."""

import base64
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from emotionnet.emotions import EMOTIONS
from emotionnet.evaluation import plots
from emotionnet.evaluation.headline import summary
from emotionnet.evaluation.metrics import score
from emotionnet.evaluation.report import write_report

#: Of pages whose pictures are drawn elsewhere: in the first test.
plain = pytest.mark.usefixtures("plain_report")
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Collects tags, and fails where they do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.links, self.text = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [
            v for k, v in attrs.items() if k in ("src", "href", "srcset", "data", "action")
        ]
        if tag == "img":
            self.images.append(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def make_metrics(**changes):
    rng = np.random.default_rng(0)
    targets = np.arange(32) % 8
    rows = [
        SimpleNamespace(clip=f"c{i}", sex=("female", "male")[i % 2], actor=f"{i % 4:02d}")
        for i in range(32)
    ]

    def scored():
        return score(EMOTIONS, targets, rng.dirichlet(np.ones(8), 32), rows)

    return {
        "run": "a <run> & more",
        "part": "test",
        "labels": list(EMOTIONS),
        "corpus": "ravdess",
        "label_kind": "acted",
        "protocol": "actor_folds",
        "protocol_text": "test actors 01, 02, 03, 04",
        "leaky": False,
        "fold": 1,
        "seed": 0,
        "commit": "0123abc",
        "notes": [],
        "fused": scored(),
        "faces": scored(),
        "speech": scored(),
        "masked": {"faces": scored(), "speech": scored()},
    } | changes


CURVES = {
    "faces": {
        "curves": {
            "loss": {"train": [2.0, 1.5], "validation": [2.1, float("nan")]},
            "accuracy": {"train": [0.1, 0.5], "validation": [0.1, float("nan")]},
        },
        "best_epoch": 1,
    }
}


def read(tmp_path, metrics, curves=None):
    write_report(tmp_path / "report.html", metrics, curves)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_is_whole_and_asks_for_nothing_outside(tmp_path):
    text, page = read(tmp_path, make_metrics(), CURVES)
    assert page.links
    assert all(link.startswith("data:") for link in page.links)
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    # 3 confusion matrices, 3 reliability diagrams, learning curves of one stream, actors.
    assert len(page.images) == 8
    for image in page.images:
        svg = base64.b64decode(image["src"].partition("base64,")[2]).decode()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert not re.search(r'(?:href|src)="(?!#|data:)', svg)
        assert image["alt"]


@plain
def test_names_are_escaped(tmp_path):
    text, page = read(tmp_path, make_metrics())
    assert "a <run> & more" in "".join(page.text)
    assert "<run>" not in text


@plain
def test_the_page_prints_and_fits_a_phone(tmp_path):
    text, _ = read(tmp_path, make_metrics())
    assert "@media print" in text
    assert "width=device-width" in text


@plain
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"leaky": True, "protocol": "random"}, "This protocol leaks."),
        ({"label_kind": "drawn", "corpus": "demo"}, "Drawn faces, no real person."),
        ({"part": "validation"}, "These are validation clips."),
        ({"notes": ["speech: 3 clips are left out."]}, "speech: 3 clips are left out."),
    ],
)
def test_what_must_not_be_overlooked_is_in_a_box(tmp_path, changes, said):
    def boxes(text):
        return re.findall(r'<div class="box".*?</div>', text)

    assert not boxes(read(tmp_path, make_metrics())[0])
    (box,) = boxes(read(tmp_path, make_metrics(**changes))[0])
    assert said in box


@plain
def test_numbers_and_provenance_are_on_the_page(tmp_path):
    metrics = make_metrics()
    text = "".join(read(tmp_path, metrics)[1].text)
    assert f"{100 * metrics['fused']['accuracy']:.1f} %" in text
    assert "0123abc" in text
    assert "test actors 01, 02, 03, 04" in text
    assert "Wilson" in text


@plain
def test_averages_and_what_it_had_learnt_are_on_the_page(tmp_path):
    kept = {"epoch": 7, "train": {"loss": 0.5, "accuracy": 0.75}}
    metrics = make_metrics(learning={"faces": kept, "joint": {**kept, "epoch": [3, 4]}})
    text, _ = read(tmp_path, metrics)
    for name in ("fused", "faces", "speech"):
        for kind in ("macro", "weighted"):
            mean = metrics[name]["averages"][kind]
            cells = [f"{100 * mean[key]:.1f} %" for key in ("precision", "recall", "f1")]
            row = "".join(f"<td>{cell}</td>" for cell in [*cells, 32])
            assert f'<th scope="row">{kind} average</th>{row}</tr>' in text
    for title, name, epoch in (("faces only", "faces", "7"), ("joint", "fused", "3, 4")):
        scores = metrics[name]
        losses = ["0.50", "–", f"{scores['nll']:.2f}"]
        rates = ["75.0 %", "–", f"{100 * scores['accuracy']:.1f} %"]
        row = "".join(f"<td>{cell}</td>" for cell in [epoch, *losses, *rates])
        assert f'<th scope="row">{title}</th>{row}</tr>' in text


@plain
def test_figures_of_what_does_not_answer_are_not_beside_those_of_the_answer(tmp_path):
    kept = {"epoch": 7, "train": {"loss": 0.5, "accuracy": 0.75}}
    text, _ = read(tmp_path, make_metrics(learning={"speech": {**kept, "answers": False}}))
    row = "".join(f"<td>{cell}</td>" for cell in ["7", "0.50", "–", "–", "75.0 %", "–", "–"])
    assert f'<th scope="row">speech only</th>{row}</tr>' in text
    assert "A dash under test" in text


@plain
def test_tables_of_a_group_over_seeds_count_answers(tmp_path):
    heads = [f'<th scope="col">{what}</th></tr>' for what in ("clips", "answers")]
    text, _ = read(tmp_path, make_metrics())
    assert (text.count(heads[0]), text.count(heads[1])) == (6, 0)
    metrics = make_metrics()
    for kind in ("fused", "faces", "speech"):
        metrics[kind]["clips"] //= 2
    metrics["runs"] = []
    text, _ = read(tmp_path, metrics)
    assert (text.count(heads[0]), text.count(heads[1])) == (1, 5)


@pytest.mark.usefixtures("unrendered")
def test_what_uar_is_over_is_told_where_emotions_have_no_clips(tmp_path):
    probabilities = np.eye(8)[np.arange(16) % 8]
    metrics = make_metrics(fused=score(EMOTIONS, np.arange(16) % 6, probabilities))
    write_report(tmp_path / "report.html", metrics)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    said = "No clips of disgust, surprised were tested: UAR is over the other 6 emotions."
    for text in ("".join(page.text), summary(metrics)):
        assert text.count(said) == 1
    assert "UAR is over" not in summary(make_metrics())


@pytest.mark.usefixtures("unrendered")
def test_a_run_of_one_stream_has_a_page(tmp_path):
    metrics = make_metrics(notes=["The faces stream was not trained: there are no numbers for it."])
    del metrics["faces"], metrics["masked"]
    text, page = read(tmp_path, metrics)
    assert len(page.images) == 5
    assert "Confusion, speech only" in text
    assert "Confusion, faces only" not in text
    assert "stream removed" not in text


@plain
def test_a_group_shows_each_run_and_the_spread(tmp_path):
    metrics = make_metrics(fold=[1, 2])
    short = {
        k: {m: metrics[k][m] for m in ("accuracy", "uar", "n")}
        for k in ("fused", "faces", "speech")
    }
    metrics["runs"] = [{"run": f"fold_{i}_seed_0", "fold": i, "seed": 0, **short} for i in (1, 2)]
    over = {"accuracy_mean": 0.5, "accuracy_sd": 0.125, "uar_mean": 0.25, "uar_sd": 0.0625}
    metrics["over_runs"] = dict.fromkeys(("fused", "faces", "speech"), over)
    text = "".join(read(tmp_path, metrics)[1].text)
    assert "50.0 ± 12.5 %" in text
    assert "25.0 ± 6.2 %" in text
    assert "fold_2_seed_0" in text


def test_pictures_are_the_same_bytes_for_the_same_numbers():
    confusion = [[3, 1], [0, 4]]
    first, second = (plots.as_svg(plots.plot_confusion(("a", "b"), confusion)) for _ in range(2))
    assert first == second


def test_a_name_with_dollars_is_not_taken_for_mathematics(tmp_path):
    windows = [
        {"start_s": i, "end_s": i + 2.0, "probabilities": p}
        for i, p in enumerate([{"x": 0.25, "$\\frac{$": 0.75}, None, {"x": 0.5, "$\\frac{$": 0.5}])
    ]
    answer = {
        "clip": "$\\frac{.mp4",
        "emotion": "$\\frac{$",
        "probabilities": {"$\\frac{$": 0.6, "x": 0.4},
    }
    for timeline in (windows, windows[:1]):
        figure = plots.plot_timelines([answer | {"timeline": timeline}])
        plots.save_png(figure, tmp_path / "timeline.png")
        assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
