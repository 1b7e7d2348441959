import assert from "node:assert/strict";
import test from "node:test";

import {toArray, unpacked} from "../../emotionnet/deploy/web/js/payload.js";
import {skip, vectors} from "./vectors.js";

test("what Python packs is unpacked", {skip}, async () => {
  for (const {text, bytes} of vectors.packed) assert.deepEqual([...(await unpacked(text))], bytes);
});

test("colours are added up again, numbers stay", {skip}, async () => {
  const {text, bytes} = vectors.colours;
  assert.deepEqual([...toArray(await unpacked(text), "uint8")], bytes);
  const numbers = Float32Array.of(1.5, -2, NaN);
  assert.deepEqual(toArray(new Uint8Array(numbers.buffer), "float32"), numbers);
});
