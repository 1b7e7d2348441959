"""How a command ends: what is said after Ctrl-C, a full disk, a reader that stops; and one at a time."""

import errno
import importlib
import os
import shlex
import subprocess
import sys
import threading

import pytest

from emotionnet.command import explain_os_error, resumes, run_command
from emotionnet.errors import UsageError
from emotionnet.locks import alone
from emotionnet.values import field_value


def ends(main, capsys):
    """Exit code and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        run_command(main)
    return end.value.code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])


def interrupted(_):
    raise KeyboardInterrupt


def test_an_interrupted_command_promises_nothing(capsys):
    assert ends(interrupted, capsys) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("verb", "given", "then"),
    [
        ("export", ["RUN", "--out", "OUT"], "verify"),
        ("combine", ["F", "S", "--out", "OUT"], "evaluate"),
    ],
)
def test_the_next_command_can_be_pasted_where_a_name_has_blanks(
    verb, given, then, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "a phone's bundle"
    folder.mkdir()
    (folder / "contract.json").write_text('{"files": {}}')  # which export tells the sizes of
    module = importlib.import_module(f"emotionnet.{verb}")
    monkeypatch.setattr(module, verb, lambda *args, **kwargs: folder)
    module.main(given)
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("next")]
    assert shlex.split(line)[:5] == ["next", "python", "-m", f"emotionnet.{then}", str(folder)]


def test_an_interrupted_command_says_how_it_resumes(capsys):
    def main(_):
        with (
            resumes("add --resume auto"),
            resumes("finished shards are kept"),
        ):
            raise KeyboardInterrupt

    assert ends(main, capsys) == (130, "interrupted: finished shards are kept\n")


def test_a_full_disk_says_how_the_work_resumes_where_it_does():
    full = OSError(errno.ENOSPC, "No space left on device", "a.npz")
    assert explain_os_error(full).endswith("Free some space and try again.")
    with pytest.raises(OSError, match="No space") as caught, resumes("--resume auto continues"):
        raise full
    assert explain_os_error(caught.value).endswith("Free some space: --resume auto continues.")


CHATTY = """
from emotionnet.command import run_command
def main(argv):
    for i in range(100_000):
        print("answer", i)
run_command(main)
"""


def test_a_reader_that_stops_early_is_no_traceback():
    writer = subprocess.Popen(
        [sys.executable, "-c", CHATTY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "answer 0\n"
    writer.stdout.close()
    assert writer.stderr.read() == ""
    assert writer.wait() == 1


@pytest.mark.skipif(os.name != "posix", reason="a closed output is passed on by a POSIX shell")
def test_a_closed_output_is_no_traceback():
    code = "from emotionnet.command import run_command; run_command(lambda _: print('a'))"
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "{code}" >&-', sys.executable], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_has_not_all_letters_is_no_traceback():
    code = (
        "from emotionnet.command import run_command; run_command(lambda _: print('fröhlich 高兴'))"
    )
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == ["fröhlich".encode("latin-1"), rb"\u9ad8\u5174"]


def test_who_writes_the_same_folder_waits_for_its_turn(tmp_path, capsys):
    folder, order, inside, go = tmp_path / "records", [], threading.Event(), threading.Event()

    def first():
        with alone(folder):
            inside.set()
            go.wait()
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    threading.Timer(0.2, go.set).start()
    with alone(folder):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert f"{folder}: another process is writing it" in capsys.readouterr().err


def test_a_folder_has_one_lock_whatever_it_is_called(tmp_path, monkeypatch):
    (tmp_path / "records").mkdir()
    (tmp_path / "link").symlink_to("records")
    monkeypatch.chdir(tmp_path / "records")
    for called in (".", tmp_path / "link", "../records"):
        with alone(called):
            assert {path.name for path in tmp_path.iterdir()} == {
                "records",
                "link",
                ".records.lock",
            }


def test_no_file_stands_for_a_lock(tmp_path, monkeypatch, capsys):
    """A killed process would leave it, and the next one on another machine would wait forever."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with alone(tmp_path / "run"), alone(tmp_path / "run"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("home", ["file", "/proc"])
def test_where_nothing_can_be_locked_work_goes_on(tmp_path, home, capsys):
    (tmp_path / "file").touch()
    with alone(tmp_path / home / "records"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("word", "value"),
    [("false", False), ("True", True), ("1e-3", 1e-3), ("F1", "F1"), ("('speech',)", ("speech",))],
)
def test_a_word_is_what_it_looks_like(word, value):
    assert field_value(f"field={word}") == ("field", value)


def test_a_switch_of_a_system_takes_nothing_but_true_and_false():
    from emotionnet.systems import make_config

    assert make_config("racnn", **dict([field_value("klda=false")])).klda is False
    with pytest.raises(UsageError, match="klda is 'no'; it needs true or false"):
        make_config("racnn", klda="no")
