from fractions import Fraction

import av
import numpy as np
import pytest
from scenes import tone

from emotionnet.clips.decode import read_frames, read_sound
from emotionnet.clips.sound import peak
from emotionnet.corpora.media import write_clip
from emotionnet.errors import BadClip

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


def shades(n, size=(48, 64)):
    return [np.full((*size, 3), 20 + 200 * i // max(n - 1, 1), np.uint8) for i in range(n)]


def quadrants(size=(48, 64)):
    """Red top left, green top right, blue bottom left, white bottom right."""
    picture = np.zeros((*size, 3), np.uint8)
    h, w = size[0] // 2, size[1] // 2
    picture[:h, :w, 0] = picture[:h, w:, 1] = picture[h:, :w, 2] = 255
    picture[h:, w:] = 255
    return picture


def brightest(picture):
    """For each quadrant, the channels that are bright: top left, top right, bottom left, bottom right."""
    h, w = picture.shape[0], picture.shape[1]
    spots = [(h // 4, w // 4), (h // 4, 3 * w // 4), (3 * h // 4, w // 4), (3 * h // 4, 3 * w // 4)]
    return ["".join(c for c, v in zip("rgb", picture[spot]) if v > 128) for spot in spots]


@pytest.mark.parametrize(
    ("rate", "kept"),
    [(12, 24), (25, 50), (Fraction(30000, 1001), 60), (30, 60), (40, 60), (50, 60), (60, 60)],
)
def test_at_most_thirty_frames_a_second_are_kept(tmp_path, rate, kept):
    shown = round(2 * rate)
    path = write_clip(tmp_path / "a.mp4", shades(shown), rate)
    times = np.array([frame.time_s for frame in read_frames(path)])
    assert abs(len(times) - kept) <= 1
    assert (np.diff(times) > 0).all()
    assert times[0] == 0
    assert times[-1] == pytest.approx(2, abs=0.09)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(("rate", "of"), [(60, 2), (Fraction(60000, 1001), 2), (90, 3), (120, 4)])
def test_of_an_even_multiple_of_thirty_each_so_manieth_is_kept(tmp_path, name, rate, of):
    path = write_clip(tmp_path / name, shades(48), rate)
    times = np.array([frame.time_s for frame in read_frames(path)])
    np.testing.assert_allclose(times, np.arange(0, 48, of) / float(rate), atol=6e-4)


#: Of a phone that takes about 60 pictures a second.
UNEVEN_MS = [0, 14, 33, 49, 68, 81, 99, 118, 131, 149, 167, 181, 199, 218, 231, 251, 268]


@pytest.mark.parametrize("rate", [24, 25, Fraction(30000, 1001), 30, 50, None])
def test_of_all_other_rates_the_first_picture_of_each_thirtieth_is_kept(tmp_path, rate):
    shown = [i / float(rate) for i in range(40)] if rate else [ms / 1000 for ms in UNEVEN_MS]
    path = write_clip(
        tmp_path / "a.mkv", shades(len(shown)), rate or 1000, times_s=None if rate else shown
    )
    kept, slots = [], set()
    for time_s in shown:
        if (slot := round(time_s * 30)) not in slots:
            slots.add(slot)
            kept.append(time_s)
    times = [frame.time_s for frame in read_frames(path)]
    np.testing.assert_allclose(times, kept, atol=6e-4)


def test_times_come_from_timestamps_and_not_from_the_frame_rate(tmp_path):
    times_ms = [100, 140, 400, 420, 425, 2000]
    with av.open(str(tmp_path / "vfr.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, picture in zip(times_ms, shades(6)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = list(read_frames(tmp_path / "vfr.mkv"))
    # The first is at 0; 320 and 325 ms are within one thirtieth of a second of 300 and 320.
    assert [round(1000 * frame.time_s) for frame in frames] == [0, 40, 300, 320, 1900]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_phone_videos_stand_upright(tmp_path, turns):
    upright = quadrants((64, 96))
    stored = np.rot90(upright, -turns)
    path = write_clip(tmp_path / "a.mp4", [stored] * 3, 10, rotation=(turns * 90 + 180) % 360 - 180)
    frame = next(read_frames(path))
    assert frame.size == (64, 96)
    assert frame.picture().shape == (64, 96, 3)
    assert frame.picture(48).shape == (32, 48, 3)
    assert brightest(frame.picture()) == ["r", "g", "b", "rgb"]


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    grey = write_clip(
        tmp_path / "g.mkv",
        [q[..., 0] for q in shades(3)],
        10,
        picture_codec="ffv1",
        pixel_format="gray",
    )
    frames = [frame.picture() for frame in read_frames(grey)]
    assert [f.shape for f in frames] == [(48, 64, 3)] * 3
    assert [f[5, 5].tolist() for f in frames] == [[20] * 3, [120] * 3, [220] * 3]
    rgba = np.dstack([quadrants(), np.full((48, 64), 100, np.uint8)])
    clear = write_clip(tmp_path / "c.mov", [rgba] * 2, 10, picture_codec="png", pixel_format="rgba")
    np.testing.assert_array_equal(next(read_frames(clear)).picture(), quadrants())


def test_reduced_pictures_keep_their_shape_and_are_never_enlarged(tmp_path):
    frame = next(read_frames(write_clip(tmp_path / "a.mp4", [quadrants((90, 160))], 10)))
    assert frame.picture(80).shape == (45, 80, 3)
    assert frame.picture(1000).shape == (90, 160, 3)
    assert brightest(frame.picture(80)) == ["r", "g", "b", "rgb"]


def test_a_file_without_a_picture_has_no_frames(tmp_path):
    assert list(read_frames(write_clip(tmp_path / "a.mp4", samples=tone(0.5)))) == []


def test_a_file_without_a_sound_has_none(tmp_path):
    assert read_sound(write_clip(tmp_path / "a.mp4", shades(3), 10)) is None


def test_sixteen_bit_16_khz_mono_sound_is_kept_to_the_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 8000).astype(np.int16)
    path = write_clip(tmp_path / "a.wav", samples=samples, sound_codec="pcm_s16le")
    np.testing.assert_array_equal(read_sound(path).samples, samples)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_other_rates_are_resampled_in_tune_and_on_time(tmp_path, rate, codec):
    path = write_clip(
        tmp_path / "a.wav", None, samples=tone(0.5, rate, 440), sample_rate=rate, sound_codec=codec
    )
    samples = read_sound(path).samples
    assert len(samples) == pytest.approx(8000, abs=1)
    inner = slice(400, 7600)  # the ends ring
    np.testing.assert_allclose(
        samples[inner] / 32768, tone(0.5, hz=440)[: len(samples)][inner], atol=2e-3
    )


def test_what_16_khz_cannot_hold_is_filtered_and_not_folded_back(tmp_path):
    path = write_clip(
        tmp_path / "a.wav",
        samples=tone(0.5, 48000, 12000),
        sample_rate=48000,
        sound_codec="pcm_f32le",
    )
    assert peak(read_sound(path).samples[400:7600]) < 0.001 * 32768


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "aac", "flac"])
def test_two_equal_channels_are_as_loud_as_one(tmp_path, codec):
    suffix = {"aac": "m4a", "flac": "flac"}.get(codec, "wav")
    mono = tone(0.5)
    if codec == "flac":
        mono = (mono * 32767).astype(np.int16)
    path = write_clip(
        tmp_path / f"a.{suffix}", samples=np.stack([mono, mono], 1), sound_codec=codec
    )
    loudness = np.sqrt(np.mean((read_sound(path).samples[1000:7000] / 32768.0) ** 2))
    assert loudness == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_channels_are_averaged(tmp_path):
    left = tone(0.2)
    path = write_clip(
        tmp_path / "a.wav",
        samples=np.stack([left, np.zeros_like(left)], 1),
        sound_codec="pcm_f32le",
    )
    np.testing.assert_allclose(read_sound(path).samples / 32768, left / 2, atol=1e-4)


def test_samples_that_are_no_numbers_become_zero(tmp_path):
    samples = tone(0.2)
    samples[100:110] = np.nan
    samples[200] = np.inf
    path = write_clip(tmp_path / "a.wav", samples=samples, sound_codec="pcm_f32le")
    sound = read_sound(path)
    assert (sound.samples[100:110] == 0).all()
    assert sound.samples[200] == 0
    assert peak(sound.samples) == pytest.approx(0.3 * 32768, rel=0.01)
    assert "11 of 3200 samples" in sound.notes[0]


def test_sound_without_a_single_number_is_refused(tmp_path):
    nothing = np.full(3200, np.nan, np.float32)
    path = write_clip(tmp_path / "a.wav", samples=nothing, sound_codec="pcm_f32le")
    with pytest.raises(BadClip, match="no sample of its sound is a number"):
        read_sound(path)


def test_clipped_sound_is_kept_with_a_note(tmp_path):
    path = write_clip(tmp_path / "a.wav", samples=tone(0.2, level=3), sound_codec="pcm_f32le")
    sound = read_sound(path)
    assert peak(sound.samples) == 32768
    assert not sound.silent
    assert "clipped" in sound.notes[0]
    assert (
        read_sound(write_clip(tmp_path / "b.wav", samples=tone(0.2), sound_codec="pcm_f32le")).notes
        == []
    )


@pytest.mark.parametrize(("level", "silent"), [(0, True), (2e-5, True), (0.004, False)])
def test_digital_silence_is_told_from_quiet_speech(tmp_path, level, silent):
    path = write_clip(tmp_path / "a.wav", samples=tone(0.2, level=level), sound_codec="pcm_s24le")
    assert read_sound(path).silent is silent


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.mp4", b"", "empty"),
        ("text.mp4", "Not a film, Größe 7.\n" * 90, "text file"),
        ("pointer.flv", LFS, "git lfs pull"),
        ("noise.mp4", bytes(range(256)) * 40, "cannot be opened"),
        ("riff.wav", b"RIFF\x00\x00\x00\x00WAVE", "cannot be opened|nothing of it"),
    ],
)
def test_what_is_no_clip_is_refused_with_its_reason(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for read in (lambda: list(read_frames(path)), lambda: read_sound(path)):
        with pytest.raises(BadClip, match=said):
            read()


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(BadClip, match="does not exist"):
        read_sound(tmp_path / "no.wav")
    with pytest.raises(BadClip, match="folder"):
        read_sound(tmp_path)


def test_an_mp4_cut_short_is_refused_and_an_avi_is_used_as_far_as_it_goes(tmp_path):
    film = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3)).astype(np.uint8)
    whole = write_clip(tmp_path / "a.mp4", film, 20).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadClip, match="truncated"):
        list(read_frames(tmp_path / "cut.mp4"))
    whole = write_clip(tmp_path / "a.avi", film, 20, picture_codec="mpeg4").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    notes = []
    frames = list(read_frames(tmp_path / "cut.avi", notes))
    assert 5 < len(frames) < 35
    assert "truncated" in notes[0]


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path):
    path = write_clip(
        tmp_path / "a.flac", samples=(tone(4) * 3e4).astype(np.int16), sound_codec="flac"
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    sound = read_sound(path)
    assert 2 * 16000 < len(sound.samples) <= 4 * 16000


@pytest.mark.parametrize(
    "name", ["a:b.wav", "-x.wav", "50%03d.wav", "ü 'q\" #?.wav", "x" * 200 + ".wav"]
)
def test_odd_file_names(tmp_path, name):
    path = write_clip(tmp_path / "a.wav", samples=tone(0.1), sound_codec="pcm_s16le").rename(
        tmp_path / name
    )
    assert len(read_sound(path).samples) == 1600


def test_a_single_frame_and_a_fifth_of_a_second(tmp_path):
    assert len(list(read_frames(write_clip(tmp_path / "one.mp4", shades(1), 25)))) == 1
    short = write_clip(tmp_path / "short.mp4", shades(5), 25, tone(0.2))
    assert len(list(read_frames(short))) == 5
    assert len(read_sound(short).samples) == pytest.approx(3200, abs=1100)  # AAC pads


def test_titles_that_are_no_utf_8_do_not_matter(tmp_path):
    path = write_clip(tmp_path / "a.wav", samples=tone(0.1), sound_codec="pcm_s16le")
    content = path.read_bytes()
    assert b"Lavf" in content
    path.write_bytes(content.replace(b"Lavf", b"\xff\xe9\x80\xfe"))
    assert len(read_sound(path).samples) == 1600
