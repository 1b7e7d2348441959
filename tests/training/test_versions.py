"""What a run ran on: the commit is that of EmotionNet, and of no project around it."""

import shutil
import subprocess

import pytest

from emotionnet.training import versions


def git(folder, *words):
    own = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(folder), *own, *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Somebody's repository, in which the package is installed."""
    if not shutil.which("git"):
        pytest.skip("no git")
    package = tmp_path / "site-packages" / "versions.py"
    package.parent.mkdir()
    package.touch()
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "theirs")
    monkeypatch.setattr(versions, "__file__", str(package))
    return tmp_path


def test_an_installed_package_has_no_commit(project):
    assert versions.git_commit() == ""


def test_the_commit_of_a_source_tree(project):
    git(project, "add", ".")
    git(project, "commit", "-m", "ours")
    assert len(versions.git_commit()) == 12
