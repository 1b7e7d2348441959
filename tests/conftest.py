"""Being here, it makes the helpers beside it (``tiny_run``) importable from every test."""

#: The files that take longest: where tests run in several processes (``-n 2 --dist loadfile``) these begin, so
#: that none of them is left to one process at the end.
LONGEST = (
    *("test_teachers.py", "test_verify.py", "test_export.py", "test_backbones_verb.py"),
    *("test_refit.py", "test_records_cache.py", "test_uncertainty.py", "test_loop.py"),
    *("test_fit_devices.py", "test_preemption.py", "test_kotlin.py", "test_execution.py"),
)


def pytest_configure(config):
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # by the number of tests, which says little


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)
