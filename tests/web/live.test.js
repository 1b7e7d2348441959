import assert from "node:assert/strict";
import test from "node:test";

import {checkGolden, missing} from "../../emotionnet/deploy/web/js/golden.js";
import {Live} from "../../emotionnet/deploy/web/js/live.js";
import {Ear} from "../../emotionnet/deploy/web/js/media.js";
import {Meter} from "../../emotionnet/deploy/web/js/meter.js";
import {Session} from "../../emotionnet/deploy/web/js/session.js";

const contract = {
  labels: ["happy", "sad"],
  faces: {frames: 2, size: 1},
  sound: {sample_rate_hz: 10, samples: 10, window_s: 1},
  fusion: {streams: ["faces", "speech"]},
  // The speech stream of a combined model knows a class more.
  signatures: {encode_face: {outputs: [{name: "embedding", shape: [1, 2]}]}, encode_speech: {outputs: [{name: "speech_logits", shape: [1, 3]}]}, fuse: {}},
};

/** A model that answers with what it is given, and counts. */
function fake() {
  const calls = [];
  const run = async (name, inputs) => {
    calls.push([name, structuredClone(inputs)]);
    if (name === "encode_face") return {embedding: Float32Array.of(inputs.face[0], -inputs.face[0])};
    if (name === "encode_speech") return {speech_logits: inputs.waveform.slice(0, 2)};
    const {embeddings, frame_mask} = inputs;
    return {probabilities: embeddings, face_probabilities: frame_mask, speech_probabilities: inputs.speech_logits};
  };
  return {run, calls};
}

test("each face is encoded once, however often it is asked", async () => {
  const model = fake();
  const live = new Live(model, contract);
  for (let i = 0; i < 10; i++) await live.addFrame(i / 10, i % 5 ? Uint8Array.of(i) : null);
  await live.answer(1);
  const answer = await live.answer(1);
  assert.equal(model.calls.filter(([name]) => name === "encode_face").length, 8);
  assert.deepEqual([...answer.probabilities], [2, -2, 7, -7]);
  assert.equal(answer.faces, 2);
  assert.equal(answer.speech, null);
  assert.equal(model.calls.filter(([name]) => name === "encode_speech").length, 0);
  assert.deepEqual([...model.calls.at(-1)[1].waveform_samples], [0]);
  assert.deepEqual([...model.calls.at(-1)[1].speech_logits], [0, 0, 0]);
});

test("sound alone is answered, silence is not", async () => {
  const model = fake();
  const live = new Live(model, contract);
  live.addSound(new Float32Array(5));
  assert.equal((await live.answer(1)).probabilities, null);
  assert.equal(model.calls.length, 0);
  live.addSound(Float32Array.of(0.5, 0.25));
  const answer = await live.answer(1);
  assert.equal(answer.face, null);
  assert.equal(answer.soundS, 0.7);
  assert.deepEqual([...model.calls.at(-1)[1].frame_mask], [0, 0]);
});

test("a model without a speech stream does not listen", async () => {
  const live = new Live(fake(), {...contract, fusion: {streams: ["faces"]}});
  live.addSound(Float32Array.of(0.5));
  assert.equal((await live.answer(1)).probabilities, null);
});

test("a model without a face stream does not look", async () => {
  const model = fake();
  const live = new Live(model, {...contract, fusion: {streams: ["speech"]}});
  await live.addFrame(0, Uint8Array.of(1));
  assert.equal((await live.answer(0.1)).probabilities, null);
  live.addSound(Float32Array.of(0.5));
  const answer = await live.answer(0.1);
  assert.equal(answer.face, null);
  assert.deepEqual(model.calls.map(([name]) => name), ["encode_speech", "fuse"]);
});

test("after a reset nothing is left", async () => {
  const live = new Live(fake(), contract);
  await live.addFrame(0, Uint8Array.of(1));
  live.addSound(Float32Array.of(0.5));
  live.reset();
  assert.equal((await live.answer(0.1)).probabilities, null);
});

test("a face that is searched or encoded while somebody seeks, or takes another file, is of the past", async () => {
  const model = fake();
  const live = new Live(model, contract);
  const found = {face: Uint8Array.of(1)};
  let during = () => {};
  const finder = {find: async () => (await during(), found)};
  const saw = [];
  const session = new Session({
    video: {videoWidth: 4, videoHeight: 4}, live, finder, meter: new Meter(), saw: (each) => saw.push(each), answered() {},
  }); // prettier-ignore
  const seek = () => session.startAnew();
  during = seek;
  await session.look(10);
  assert.equal(saw.length, 0);
  during = () => {};
  const {run} = model;
  model.run = async (...call) => (seek(), run(...call));
  await session.look(9);
  model.run = run;
  await session.look(2); // back from 9 s
  assert.equal((await live.answer(2.1)).faces, 2);
  during = () => (session.stop(), live.reset());
  await session.look(3);
  assert.deepEqual(live.faces.frames, []); // of the next file
});

test("an answer that somebody seeks away from is not shown", async () => {
  const live = new Live(fake(), contract);
  const shown = [];
  const session = new Session({
    video: {}, live, finder: null, meter: new Meter(), saw() {}, answered: (_, atS) => shown.push(atS),
  }); // prettier-ignore
  const first = session.answer(10);
  session.startAnew();
  await first;
  await session.answer(2);
  assert.deepEqual(shown, [2]);
});

test("a browser that does not tell of frames, as Firefox before 132, shows them to whoever looks", async () => {
  const session = new Session({video: {paused: false, currentTime: 3}});
  assert.equal(await session.nextFrame(), 3);
});

test("a file that cannot be played to its end is told of", async () => {
  globalThis.document = {hidden: false};
  const live = new Live(fake(), {...contract, fusion: {streams: ["faces"]}});
  const video = {addEventListener() {}, currentTime: 3, videoWidth: 4, error: {message: "damaged"}};
  const session = new Session({video, live, finder: null, meter: new Meter(), saw() {}, answered() {}});
  session.lookedS = 3;
  setTimeout(() => session.stop(), 500);
  await assert.rejects(session.run(), {message: "damaged"});
});

test("what was heard before the browser put the sound to sleep is forgotten", async () => {
  const live = new Live(fake(), contract);
  const heard = [];
  const session = new Session({
    video: {}, live, finder: null, meter: new Meter(), saw() {}, answered: (answer) => heard.push(answer.soundS),
  }); // prettier-ignore
  session.ear = new Ear();
  for (const state of ["running", "suspended", "running", "interrupted"]) {
    session.ear.context = {state};
    if (state === "running") live.addSound(Float32Array.of(0.5));
    await session.answer(1);
  }
  assert.deepEqual(heard, [0.1, 0, 0.1, 0]);
});

const clip = {
  name: "whole_1",
  inputs: {
    faces: Uint8Array.of(3, 4),
    frame_mask: Float32Array.of(1, 1),
    waveform: Float32Array.of(0.5, 0.25),
    waveform_samples: Int32Array.of(2),
  },
  expected: {probabilities: [3, -3, 4, -4], face_probabilities: [1, 1], speech_probabilities: [0.5, 0.25]},
};

test("golden clips go through the entry points of live use", async () => {
  assert.deepEqual(await checkGolden(fake(), [clip], 0.05), {largest: 0, clip: "whole_1", allowed: 0.05, ok: true});
});

test("a wrong answer, a missing one and one that is no number are found", async () => {
  const other = {...clip, name: "off", expected: {...clip.expected, face_probabilities: [1, 0.9]}};
  const off = await checkGolden(fake(), [clip, other], 0.05);
  assert.deepEqual([off.clip, off.ok, off.largest.toFixed(3)], ["off", false, "0.100"]);
  for (const wrong of [{probability: [1]}, {probabilities: [3]}, {probabilities: [3, NaN, 4, -4]}]) {
    assert.equal((await checkGolden(fake(), [{...clip, expected: wrong}], 0.05)).largest, Infinity);
  }
});

test("entry points that are missing are named", () => {
  assert.deepEqual(missing(contract), []);
  assert.deepEqual(missing({signatures: {classify: {}, fuse: {}}}), ["encode_face", "encode_speech"]);
});
