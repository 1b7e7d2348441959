"""Being here, it makes the helpers beside it (``tiny_run``) importable from every test."""

import gc
import os
import sys
import tempfile

import pytest
from wrapt import register_post_import_hook

# librosa keeps what numba compiles. Two processes that write there at once leave a file that crashes whoever loads it,
# so each test process has a folder of its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = os.path.join(
    tempfile.gettempdir(), f"emotionnet-numba-{os.getuid()}-{_WORKER}"
)
gc.disable()  # until the tests are collected: what is imported stays
# One thread for each: the other one only waits for work that is too small to share, and takes a core for it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

EMPTY_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
#: The files that take longest: where tests run in several processes (``-n 2 --dist loadfile``) these begin, so
#: that none of them is left to one process at the end.
LONGEST = (
    *("test_verify.py", "test_predict.py", "test_combine.py", "test_whole_clip.py"),
    *("test_masks.py", "test_evaluate.py", "test_init.py", "test_teachers.py", "test_refit.py"),
    *("test_picture_networks.py", "test_records_cache.py", "test_uncertainty.py", "test_fit.py"),
    *("test_fit_devices.py", "test_preemption.py", "test_kotlin.py", "test_execution.py"),
    *("test_static_shapes.py", "test_gradient.py", "test_exports.py", "test_racnn_run.py"),
)


def pytest_runtest_setup(item):
    """Models that a test makes by itself answer by the plain graph, as those of the project do.

    Keras would have XLA compile each of them, which takes ten seconds where the graph takes four.
    """
    if keras := sys.modules.get("keras"):
        assert hasattr(keras.Model, "_resolve_auto_jit_compile"), (
            "Keras decides about XLA elsewhere"
        )
        keras.Model._resolve_auto_jit_compile = lambda self: keras.backend.backend() == "jax"


def pytest_configure(config):
    from emotionnet.environment import as_traced

    register_post_import_hook(as_traced, "tensorflow")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # by the number of tests, which says little
    if getattr(config.option, "maxworkerrestart", "") is None:
        config.option.maxworkerrestart = "0"  # after a crash, --dist loadfile would wait for ever


@pytest.fixture(scope="module")
def four_bottlenecks():
    """GhostNet with a bottleneck of each kind instead of eleven, since each is traced for every model.

    For tests of what stands around the network, not of its size.
    """
    from tiny_model import few_bottlenecks

    from emotionnet.systems import ghost_fan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ghost_fan, "BOTTLENECKS", few_bottlenecks())
        yield


@pytest.fixture(scope="module")
def loaded_once():
    """The model of a run is loaded once, for tests that only look at it."""
    from emotionnet.files import file_sha256
    from emotionnet.training.run import Run

    known = {}

    def model(run, load=Run.model):
        file = run.folder / "model.keras"
        if not file.is_file():
            return load(run)
        content = file_sha256(file)
        if content not in known:
            known[content] = load(run)
        return known[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "model", model)
        yield


@pytest.fixture(scope="module")
def plain_reports():
    """Reports without their pictures, which take half of a small evaluation; `test_report` draws them."""
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        yield


@pytest.fixture
def plain_report(monkeypatch):
    """The same for one test."""
    draw_nothing(monkeypatch)


def draw_nothing(patch):
    from emotionnet.evaluation import plots

    for name in ("plot_actors", "plot_confusion", "plot_history", "plot_reliability"):
        patch.setattr(plots, name, lambda *numbers, **settings: None)
    patch.setattr(plots, "as_svg", lambda figure: EMPTY_SVG)


@pytest.fixture
def unevaluated(monkeypatch):
    """Runs are trained and not evaluated, for tests of what they have learnt."""
    monkeypatch.setattr("emotionnet.evaluation.run_or_group.evaluate", lambda *run, **asked: None)


@pytest.fixture
def unrendered(monkeypatch):
    """Pictures are made and not written as SVG, which takes most of their time."""
    from emotionnet.evaluation import plots

    monkeypatch.setattr(plots, "as_svg", lambda figure: EMPTY_SVG)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish():
    """Python looks for garbage less often, and not among what TensorFlow and Keras are made of: it took 6 % of the time."""
    from emotionnet.environment import GARBAGE

    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()
