"""Arrays on the disk: whole or not at all, and with room for all that will be written."""

import errno
import os

import numpy as np
import pytest

from emotionnet.inputs.arrays import read_arrays, write_arrays

BATCHES = [{"a": np.full((2, 3), i, np.float32)} for i in range(2)]


def test_what_is_written_is_read(tmp_path):
    files = {"a": tmp_path / "a.npy"}
    write_arrays(BATCHES, 4, files)
    np.testing.assert_array_equal(read_arrays(files)["a"][:, 0], [0, 0, 1, 1])


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_a_full_disk_is_an_error_before_mapped_memory_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as error:
        write_arrays(BATCHES, 4, {"a": tmp_path / "a.npy"})
    assert tmp_path.name in error.value.filename
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_a_disk_that_cannot_be_asked_for_room_is_written(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    files = {"a": tmp_path / "a.npy"}
    write_arrays(BATCHES, 4, files)
    assert read_arrays(files)["a"].shape == (4, 3)
