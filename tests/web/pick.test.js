import assert from "node:assert/strict";
import test from "node:test";

import {FaceRing, pickFrames} from "../../emotionnet/deploy/web/js/pick.js";
import {skip, vectors} from "./vectors.js";

test("picked frames are those of the view", {skip}, () => {
  assert.ok(vectors.picks.some(({picked}) => picked.includes(-1)));
  for (const {segments, times, has, end, picked} of vectors.picks) {
    assert.deepEqual(pickFrames(times, has, 0, end, segments), picked);
  }
});

test("without frames there is nothing to pick", () => {
  assert.deepEqual(pickFrames([], [], 0, 1, 2), [-1, -1]);
});

function ring(frames, capacity = 30, windowS = 1) {
  const made = new FaceRing(2, windowS, capacity);
  frames.forEach((embedding, i) => made.add(i / 10, embedding));
  return made;
}
const full = Array.from({length: 20}, (_, i) => i);
const some = Array.from({length: 10}, (_, i) => (i < 4 ? i : null));

test("a ring of faces keeps the last and masks the rest", () => {
  assert.deepEqual(ring(full).window(2), [12, 17]); // segments 1.0 to 1.5 and 1.5 to 2.0
  assert.deepEqual(ring(full, 6).window(2), [15, 18]); // it holds 1.4 to 1.9 only
  assert.deepEqual(ring(some).window(1), [2, null]); // no face in the second half
  assert.deepEqual(ring(some).window(9), [null, null]); // long ago
  const cleared = ring(full);
  cleared.clear();
  assert.deepEqual(cleared.window(2), [null, null]);
});

test("a fast camera fills no less than a window", () => {
  const faces = new FaceRing(3, 2);
  for (let i = 0; i < 90; i++) faces.add(i / 30, i);
  assert.deepEqual(faces.window(3), [39, 59, 79]); // 1.0 to 3.0
});

test("frames come in the order of time", () => {
  const faces = ring(full);
  assert.throws(() => faces.add(1.9, 1), /order of time/);
  faces.clear();
  faces.add(0, 1); // another recording
});
