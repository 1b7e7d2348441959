"""What the files of a bundle say of themselves."""

from types import SimpleNamespace

import pytest

from emotionnet.deploy.litert import runtime_for


@pytest.mark.parametrize(
    ("versions", "oldest"),
    [
        (("2.3.0", "2.14.0", "2.9.1"), "2.14.0"),
        (("", "1.5.0"), "1.5.0"),
        (("",), ""),
        ((), ""),
    ],
)
def test_the_runtime_that_has_all_operators_is_the_newest_by_number(versions, oldest):
    models = [SimpleNamespace(minimum_runtime=lambda told=told: told) for told in versions]
    assert runtime_for(models) == oldest
