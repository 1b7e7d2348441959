import assert from "node:assert/strict";
import test from "node:test";

import {facesOf, letterbox, toInput} from "../../emotionnet/deploy/web/js/blazeface.js";

const ANCHORS = 896;

/** Outputs of the network in which some anchors see a face: number, size in its square, score. */
function outputs(...seen) {
  const regressors = new Float32Array(ANCHORS * 16);
  const classificators = new Float32Array(ANCHORS).fill(-20);
  for (const {anchor, size, logit} of seen) {
    classificators[anchor] = logit;
    regressors.set([0, 0, size, size, -8, -4, 8, -4, 0, 0, 0, 6], 16 * anchor);
  }
  return [regressors, classificators];
}
// The finer grid has two anchors in each of its 16 x 16 cells of 8 pixels.
const cell = (column, row) => 2 * (16 * row + column);

test("a face is where its anchor is, in pixels of the picture", () => {
  const place = letterbox(640, 480);
  assert.deepEqual(place, {scale: 0.2, left: 0, top: 16});
  const [face] = facesOf(...outputs({anchor: cell(8, 8), size: 20, logit: 4}), place);
  // Its centre is at 68, 68 of the square, at 340, 260 between pixels.
  assert.deepEqual(face.box.map(Math.round), [290, 210, 100, 100]);
  assert.deepEqual(face.eyes, [{x: 299.5, y: 239.5}, {x: 379.5, y: 239.5}]);
  assert.deepEqual(face.mouth, [{x: 339.5, y: 289.5}]);
});

test("boxes that overlap are one face, others are not, the largest is first", () => {
  const seen = [
    {anchor: cell(2, 2), size: 20, logit: 4},
    {anchor: cell(2, 2) + 1, size: 20, logit: 1},
    {anchor: cell(12, 12), size: 30, logit: 2},
    {anchor: cell(12, 2), size: 30, logit: -1}, // not sure enough
  ];
  const faces = facesOf(...outputs(...seen), letterbox(128, 128));
  assert.deepEqual(faces.map((face) => Math.round(face.box[2])), [30, 20]);
  assert.ok(faces[1].score > 0.98);
});

test("no face is an empty list", () => {
  assert.deepEqual(facesOf(...outputs(), letterbox(10, 20)), []);
});

test("pixels go in from -1 to 1, without transparency", () => {
  const input = toInput(new Uint8ClampedArray(128 * 128 * 4).fill(255).fill(0, 0, 3));
  assert.deepEqual([...input.slice(0, 6)], [-1, -1, -1, 1, 1, 1]);
  assert.equal(input.length, 128 * 128 * 3);
});
