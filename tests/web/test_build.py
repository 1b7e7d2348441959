"""What a page is made of, and what is said where it cannot be made."""

import json
import shutil
import sys

import numpy as np
import pytest
from pages import BUNDLE

from emotionnet.deploy.detectors import DETECTORS, detector_row
from emotionnet.deploy.web import build, node
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.page import main, page


def changed_contract(folder, change):
    folder.mkdir()
    contract = json.loads((BUNDLE / "contract.json").read_text())
    change(contract)
    (folder / "contract.json").write_text(json.dumps(contract))
    return folder


def test_a_bundle_of_another_kind_is_refused_with_what_is_missing(tmp_path):
    def whole_clips(contract):
        contract["system"] = "segments"
        for name in ("encode_face", "fuse"):
            del contract["signatures"][name]

    folder = changed_contract(tmp_path / "bundle", whole_clips)
    with pytest.raises(UsageError, match="system segments has no encode_face, fuse"):
        page(folder)

    def other_parts(contract):
        contract["signatures"]["fuse"]["inputs"][0]["name"] = "sound_steps"

    with pytest.raises(UsageError, match="takes other inputs"):
        page(changed_contract(tmp_path / "other", other_parts))
    with pytest.raises(UsageError, match=r"no bundle here.*emotionnet\.export"):
        page(tmp_path)


def test_a_damaged_bundle_is_an_error_that_names_the_file(tmp_path):
    folder = changed_contract(tmp_path / "bundle", lambda contract: contract.pop("signatures"))
    with pytest.raises(EmotionNetError, match=r"contract\.json: is no contract"):
        page(folder)
    shutil.copytree(BUNDLE, tmp_path / "copy")
    (tmp_path / "copy" / "golden" / "no_face.npz").write_bytes(b"no archive")
    with pytest.raises(EmotionNetError, match="golden: cannot be read"):
        page(tmp_path / "copy")
    assert not (tmp_path / "copy.html").exists()


def test_without_node_three_lines_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(EmotionNetError) as found:
        main([str(BUNDLE)])
    lines = str(found.value).splitlines()
    assert len(lines) == 3
    assert "emotionnet[page]" in lines[1]
    old = tmp_path / "node"
    for name in (old, tmp_path / "npm"):
        name.write_text("#!/bin/sh\necho v12.22.9\n")
        name.chmod(0o755)
    with pytest.raises(EmotionNetError, match=r"\(found: v12\.22\.9\)"):
        node.find_node()


def test_npm_without_a_network_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    for name, does in (("node", "echo v22.0.0"), ("npm", "echo npm error network >&2; exit 1")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(EmotionNetError, match=r"npm could not fetch.*npm error network"):
        node.packages()
    assert not list((tmp_path / "cache" / "web").iterdir())


def test_an_array_stands_in_the_page_once(tmp_path):
    arrays, clips = build.golden_clips(BUNDLE, "int8")
    assert [clip["name"] for clip in clips] == ["whole_1", "no_sound", "no_face"]
    whole, silent, faceless = (clip["inputs"] for clip in clips)
    assert whole["faces"] == silent["faces"] != faceless["faces"]
    assert whole["waveform"] == faceless["waveform"] != silent["waveform"]
    assert arrays[whole["faces"]].dtype == np.uint8
    assert set(clips[0]["expected"]) == {
        "probabilities",
        "face_probabilities",
        "speech_probabilities",
    }


def test_the_contract_names_the_detector_and_an_older_one_gets_what_is_known():
    contract = json.loads((BUNDLE / "contract.json").read_text())
    known = next(row for row in DETECTORS if row["detector"] == "BlazeFace")
    contract["crop"].pop("detectors", None)
    assert detector_row(contract, "BlazeFace") == known
    contract["crop"]["detectors"] = [known | {"side": 2.5}]
    assert detector_row(contract, "BlazeFace")["side"] == 2.5
