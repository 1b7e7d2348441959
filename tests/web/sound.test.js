import assert from "node:assert/strict";
import test from "node:test";

import {Resampler, SoundRing, audible} from "../../emotionnet/deploy/web/js/sound.js";

function filled(capacity, ...chunks) {
  const ring = new SoundRing(capacity);
  for (const chunk of chunks) ring.add(chunk);
  const waveform = new Float32Array(capacity).fill(9);
  return [ring.copyTo(waveform), ...waveform];
}

test("a ring of sound is in order, with zeros after its end", () => {
  assert.deepEqual(filled(4, [1, -1]), [2, 1, -1, 0, 0]);
  assert.deepEqual(filled(4, [1, 2, 3], [4, 5, 6]), [4, 3, 4, 5, 6]);
  assert.deepEqual(filled(3, [1, 2, 3, 4, 5, 6, 7]), [3, 5, 6, 7]);
});

test("digital silence is no sound", () => {
  assert.equal(audible(new Float32Array(9), 9), false);
  assert.equal(audible(Float32Array.of(1 / 32768, -2 / 32768), 2), false);
  assert.equal(audible(Float32Array.of(0, 0.001), 2), true);
  assert.equal(audible(Float32Array.of(0, 0.001), 1), false);
});

/** A tone through a resampler, in chunks of uneven length. */
function resampled(hz, from, to) {
  const tone = Float32Array.from({length: from}, (_, i) => Math.sin((2 * Math.PI * hz * i) / from));
  const resampler = new Resampler(from, to);
  const out = [];
  for (let at = 0, n = 128; at < tone.length; at += n, n = n === 128 ? 1001 : 128) {
    out.push(...resampler.add(tone.subarray(at, at + n)));
  }
  return out;
}

for (const from of [48000, 44100, 8000]) {
  test(`a tone at ${from} Hz is the same tone at 16000 Hz`, () => {
    const out = resampled(440, from, 16000);
    assert.ok(out.length > 15900 && out.length <= 16000, `${out.length} samples of a second`);
    // Away from the beginning, before which there was silence.
    for (let i = 200; i < out.length; i++) {
      assert.ok(Math.abs(out[i] - Math.sin((2 * Math.PI * 440 * i) / 16000)) < 0.005, `sample ${i}`);
    }
  });
}

test("what 16000 Hz cannot hold is taken out, not folded down", () => {
  const peak = Math.max(...resampled(11000, 48000, 16000).slice(200).map(Math.abs));
  assert.ok(peak < 0.01, `${peak}`);
});
