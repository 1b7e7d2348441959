import assert from "node:assert/strict";
import {test} from "node:test";

import {TAP} from "../../emotionnet/deploy/web/js/media.js";

test("a source that gives no channel is silent, and time goes on", () => {
  const heard = [];
  class Processor {
    port = {postMessage: (samples) => heard.push(Array.from(samples))};
  }
  let tap = null;
  const register = (_, Kind) => (tap = new Kind());
  new Function("AudioWorkletProcessor", "registerProcessor", TAP)(Processor, register);
  assert.ok(tap.process([[Float32Array.of(0.5, 1), Float32Array.of(0, -1)]]));
  assert.ok(tap.process([[]]));
  assert.deepEqual(heard, [[0.25, 0], new Array(128).fill(0)]);
});
