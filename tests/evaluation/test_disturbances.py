import numpy as np
import pytest

from emotionnet.evaluation.disturbances import DISTURBANCES, disturbances, rms
from emotionnet.inputs.kinds import STREAMS

FRAMES, SIZE, SAMPLES, LENGTH = 10, 40, 16000, 12000
BY_NAME = {d.name: d for d in DISTURBANCES}
#: The same for every clip.
FIXED = ("shifted_sound", "low_light", "jpeg")


def one_clip() -> dict:
    rng = np.random.default_rng(0)
    mask = np.ones(FRAMES, np.float32)
    mask[3] = 0
    ramp = np.linspace(40, 220, SIZE)[:, None, None] + rng.normal(0, 8, (FRAMES, SIZE, SIZE, 3))
    faces = np.clip(ramp, 0, 255).astype(np.uint8)
    return {
        "faces": faces * mask[:, None, None, None].astype(np.uint8),
        "frame_mask": mask,
        "waveform": np.r_[rng.normal(0, 0.1, LENGTH), np.zeros(SAMPLES - LENGTH)].astype("f4"),
        "waveform_samples": np.int32(LENGTH),
        "landmarks": rng.random((FRAMES, 68, 2), np.float32) * mask[:, None, None],
        "landmark_mask": mask.copy(),
    }


def voices() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.05 * i, 3000 * i).astype(np.float32) for i in range(1, 7)]


def disturb(name, level, clip="a", inputs=None):
    return BY_NAME[name](inputs or one_clip(), level, clip, voices())


CASES = [(d.name, level) for d in DISTURBANCES for level in d.levels]


@pytest.mark.parametrize(("name", "level"), CASES)
def test_what_every_disturbance_keeps(name, level):
    clip, untouched = one_clip(), one_clip()
    out = disturb(name, level, inputs=clip)
    kind = STREAMS[BY_NAME[name].stream]
    for key, value in untouched.items():
        np.testing.assert_array_equal(clip[key], value)
        assert out[key].dtype == value.dtype
        assert out[key].shape == value.shape
        if key not in kind.inputs:
            np.testing.assert_array_equal(out[key], value)
    changed = kind.content.name
    assert not np.array_equal(out[changed], untouched[changed])
    assert not out["waveform"][LENGTH:].any()
    assert not out["faces"][out["frame_mask"] == 0].any()
    assert not out["landmarks"][out["landmark_mask"] == 0].any()
    assert np.isfinite(out["waveform"]).all()
    np.testing.assert_array_equal(disturb(name, level)[changed], out[changed])
    if name not in FIXED and level != 1:
        others = [disturb(name, level, clip)[changed] for clip in "bcd"]
        assert not all(np.array_equal(other, out[changed]) for other in others)


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda d: d.name)
def test_a_clip_without_the_stream_stays_as_it_is(disturbance):
    clip = one_clip()
    clip["frame_mask"][:] = 0
    clip["waveform_samples"] = np.int32(0)
    clip["landmark_mask"][:] = 0
    assert disturbance(clip, disturbance.levels[-1], "a", voices()) is clip


@pytest.mark.parametrize("name", ["white_noise", "babble"])
@pytest.mark.parametrize("snr_db", [20.0, 0.0])
def test_noise_is_as_loud_as_it_says(name, snr_db):
    clip = one_clip()
    noise = disturb(name, snr_db)["waveform"] - clip["waveform"]
    found = 20 * np.log10(rms(clip["waveform"][:LENGTH]) / rms(noise[:LENGTH]))
    assert found == pytest.approx(snr_db, abs=0.01)


def test_the_levels_of_noise_are_the_same_noise():
    clean = one_clip()["waveform"]
    quiet, loud = (disturb("babble", level)["waveform"] - clean for level in (20.0, 0.0))
    np.testing.assert_allclose(loud, 10 * quiet, atol=1e-5)


def test_a_babble_without_other_voices_is_silent():
    clip = one_clip()
    out = BY_NAME["babble"](clip, 0.0, "a", [])
    np.testing.assert_array_equal(out["waveform"], clip["waveform"])


def test_lost_sound_is_one_growing_gap_and_then_nothing():
    before = np.zeros(SAMPLES, bool)
    for share in BY_NAME["lost_sound"].levels:
        out = disturb("lost_sound", share)
        silent = out["waveform"] == 0
        silent[LENGTH:] = False
        assert silent.sum() == pytest.approx(share * LENGTH, abs=2)
        assert np.count_nonzero(np.diff(silent.astype(int))) <= 2
        assert silent[before].all()
        before = silent
        assert out["waveform_samples"] == (0 if share == 1 else LENGTH)


@pytest.mark.parametrize(("seconds", "place"), [(0.1, 6600), (-0.1, 3400)])
def test_sound_moves_later_and_earlier(seconds, place):
    clip = one_clip()
    clip["waveform"][:] = 0
    clip["waveform"][5000] = 1
    out = disturb("shifted_sound", seconds, inputs=clip)
    assert np.flatnonzero(out["waveform"]).tolist() == [place]
    assert out["waveform_samples"] == LENGTH


def test_occlusion_is_a_growing_square_at_one_place():
    before = np.zeros((SIZE, SIZE), bool)
    for share in BY_NAME["occluded_faces"].levels:
        faces = disturb("occluded_faces", share)["faces"]
        grey = (faces[0] == 128).all(axis=-1)
        # The picture itself has few such pixels.
        assert grey.mean() == pytest.approx(share, abs=0.05)
        for other in faces[[1, 9]]:
            assert (other[grey] == 128).mean() > 0.9
        assert grey[before].mean() > 0.9 if before.any() else True
        before = grey


def test_frames_are_dropped_by_share_the_same_first():
    seen = set(np.flatnonzero(one_clip()["frame_mask"]))
    for share in BY_NAME["dropped_frames"].levels:
        left = set(np.flatnonzero(disturb("dropped_frames", share)["frame_mask"]))
        assert left <= seen
        assert len(left) == 9 - round(share * 9)
        seen = left
    assert not seen


def test_a_stop_is_half_of_the_light():
    faces = np.full((1, 2, 2, 3), 200, np.uint8)
    clip = {**one_clip(), "faces": faces, "frame_mask": np.ones(1, np.float32)}
    dark = disturb("low_light", 1.0, inputs=clip)["faces"]
    assert (dark[0, 0, 0, 0] / 200) ** 2.2 == pytest.approx(0.5, abs=0.01)


def test_a_lower_quality_is_further_from_the_picture():
    clean = one_clip()["faces"].astype(float)
    errors = [
        np.abs(disturb("jpeg", quality)["faces"] - clean).mean()
        for quality in BY_NAME["jpeg"].levels
    ]
    assert errors == sorted(errors)
    # Red is still red: colours keep their order.
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 250
    clip = {**one_clip(), "faces": red, "frame_mask": np.ones(1, np.float32)}
    assert disturb("jpeg", 50, inputs=clip)["faces"][0, 8, 8].argmax() == 0


def test_the_axis_holds_the_clean_clip_once():
    for disturbance in DISTURBANCES:
        assert disturbance.axis.count(None) == 1
        assert [x for x in disturbance.axis if x is not None] == list(disturbance.levels)
    assert BY_NAME["shifted_sound"].axis.index(None) == 3
    assert BY_NAME["jpeg"].axis[0] is None
    assert {d.stream for d in disturbances(["speech"])} == {"speech"}
