/** The page: gets ready, proves that it answers as on the PC, then looks at what it is given. */

import {Finder} from "./finder.js";
import {checkGolden} from "./golden.js";
import {Live} from "./live.js";
import {openCamera, openFile, openPicture} from "./media.js";
import {Meter} from "./meter.js";
import {toArray, unpacked} from "./payload.js";
import {Model, startRuntime} from "./runtime.js";
import {Session} from "./session.js";
import {$, View} from "./view.js";

const facts = JSON.parse($("facts").textContent);
const {contract} = facts;
const meter = new Meter();
const view = new View(facts, meter);
let live = null;
let finder = null;
let session = null;
let current = null; // file

/** A module that uses 128-bit vectors and does nothing else. */
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

class Refusal extends Error {}

function trouble(sentence) {
  $("trouble").textContent = sentence;
  $("trouble").hidden = !sentence;
}

function state(name) {
  document.body.dataset.state = name;
}

async function part(name) {
  const element = document.querySelector(`[data-part="${name}"]`);
  const bytes = await unpacked(element.textContent);
  element.remove();
  return bytes;
}

async function prepare() {
  const able = self.WebAssembly && WebAssembly.validate(SIMD) && self.DecompressionStream;
  if (!able) {
    throw new Refusal(
      "This browser is too old for this page: it lacks WebAssembly with SIMD, or the means to unpack it. " +
        "Chrome, Edge, Firefox and Safari of 2023 or later have both.",
    );
  }
  const names = ["runtime.js", "runtime.wasm", "model", "finder"];
  const steps = new Meter();
  const [script, wasm, own, faces] = await steps.time("unpacking", () => Promise.all(names.map(part)));
  await steps.time("the runtime", () => startRuntime(new TextDecoder().decode(script), wasm));
  const model = await steps.time("the model", () => Model.open(own));
  await steps.time("golden clips", () => prove(model));
  await steps.time("the face finder", async () => {
    finder = new Finder(await Model.open(faces), facts.detector, contract.faces.size);
    await finder.find(Object.assign(document.createElement("canvas"), {width: 64, height: 48}), 64, 48);
  });
  live = new Live(model, contract);
  const parts = Object.keys(steps.times).map((name) => `${name} ${steps.median(name).toFixed(0)} ms`);
  view.showFigures({"Of which": parts.join(", ")});
}

/** The golden clips, or no further. */
async function prove(model) {
  const arrays = {};
  for (const [name, dtype] of Object.entries(facts.arrays)) arrays[name] = toArray(await part(name), dtype);
  const clips = facts.golden.map((clip) => ({
    ...clip,
    inputs: Object.fromEntries(Object.entries(clip.inputs).map(([key, name]) => [key, arrays[name]])),
  }));
  const {largest, clip, allowed, ok} = await checkGolden(model, clips, facts.tolerance);
  const far = Number.isFinite(largest) ? largest.toPrecision(1) : "no number";
  if (!ok) {
    throw new Refusal(
      `This browser does not answer as the PC did: on the golden clip ${clip} it is ${far} off, and ${allowed} is ` +
        "allowed. Its answers cannot be trusted, so it gives none. Another browser may do; if not, the bundle is damaged.",
    );
  }
  const text = `Answers as on the PC: largest difference ${far} on ${clips.length} golden clips`;
  $("check").textContent = text;
  $("check").className = "good";
  view.showFigures({"Golden clips": text});
}

async function main() {
  state("loading");
  try {
    await prepare();
  } catch (error) {
    $("check").textContent = "";
    trouble(error instanceof Refusal ? error.message : `The model could not be started: ${error.message ?? error}`);
    state("refused");
    return;
  }
  view.showFigures({"Ready after": `${(performance.now() / 1000).toFixed(2)} s`});
  $("start").hidden = false;
  state("ready");
}

/** Starts a new source; the page shows the error if that fails. */
async function begin(name, open) {
  if (!live || document.body.dataset.state === "opening") return;
  stop();
  trouble("");
  state("opening");
  meter.clear();
  live.reset();
  try {
    await open();
    $("source").textContent = name;
  } catch (error) {
    stop();
    trouble(error.message);
  }
}

function showLive() {
  $("start").hidden = true;
  $("live").hidden = false;
  state("running");
}

function stop() {
  session?.stop();
  session = null;
  view.element?.pause?.();
  if (view.element?.src) URL.revokeObjectURL(view.element.src);
  $("live").hidden = true;
  $("start").hidden = false;
  state("ready");
}

function newVideo() {
  const video = document.createElement("video");
  video.playsInline = true;
  video.tabIndex = 0;
  return video;
}

async function play(video, stream = null) {
  view.setStage(video, {mirror: Boolean(stream)});
  $("pause").hidden = $("again").hidden = Boolean(stream);
  showLive();
  if (!video.videoWidth && !stream) soundOnly();
  const mine = (session = new Session({
    video, stream, live, finder, meter,
    saw: (found) => view.showFaces(found, video.videoWidth, video.videoHeight),
    answered: (answer, atS) => {
      view.showAnswer(answer, atS);
      view.note("asleep", mine.ear?.asleep ? "The browser has not started its sound: click into the page." : "");
    },
  })); // prettier-ignore
  if (stream) stream.getTracks().forEach((track) => track.addEventListener("ended", lost));
  video.onplay = video.onpause = () => {
    $("pause").lastElementChild.textContent = video.paused ? "Play" : "Pause";
  };
  video.onseeking = () => view.restart();
  mine.run().then(
    () => session === mine && state("ended"),
    (error) => session === mine && trouble(`It has stopped: ${error.message ?? error}`),
  );
  if (stream && !stream.getVideoTracks().length) return; // nothing to show
  try {
    await video.play();
  } catch (error) {
    if (session !== mine) return; // stopped before it played
    if (error.name !== "NotAllowedError") throw error;
    view.note("play", "The browser plays nothing before a click: press Play.");
    video.addEventListener("play", () => view.note("play", ""), {once: true});
  }
}

function soundOnly() {
  const mark = document.createElement("div");
  mark.className = "over";
  mark.textContent = "♪ sound only";
  $("play").append(mark);
}

function lost() {
  if (session) view.note("lost", "The camera or the microphone has gone.");
}

async function camera() {
  const {stream, notes} = await openCamera();
  const video = newVideo();
  video.muted = true;
  // Without the sound: pictures continue where a loudspeaker is unplugged.
  video.srcObject = new MediaStream(stream.getVideoTracks());
  const playing = play(video, stream);
  // Said before it plays: by then somebody may have gone on to something else.
  notes.forEach((sentence, i) => view.note(`media${i}`, sentence));
  if (!stream.getVideoTracks().length) soundOnly();
  await playing;
}

async function file(chosen) {
  current = chosen;
  if (chosen.type.startsWith("image/")) return picture(chosen);
  const video = newVideo();
  await openFile(video, chosen);
  return play(video);
}

async function picture(chosen) {
  const bitmap = await openPicture(chosen);
  const {width, height} = bitmap;
  const still = document.createElement("canvas");
  Object.assign(still, {width, height, className: "still"});
  still.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  const found = await finder.find(still, width, height);
  await live.addFrame(0, found.face);
  const answer = await live.answer(1 / 30);
  // Shown when all is done: what somebody takes next would be answered from this face too.
  view.setStage(still);
  $("pause").hidden = $("again").hidden = true;
  showLive();
  view.showFaces(found, width, height);
  view.showAnswer(answer, 0);
}

$("camera").onclick = () => begin("camera and microphone", camera);
$("choose").onclick = () => $("file").click();
$("file").onchange = () => {
  const [chosen] = $("file").files;
  if (chosen) begin(chosen.name, () => file(chosen));
  $("file").value = "";
};
$("stop").onclick = stop;
$("pause").onclick = () => {
  const {element} = view;
  if (element.ended) $("again").click();
  else if (element.paused) element.play();
  else element.pause();
};
$("again").onclick = () => begin(current.name, () => file(current));

addEventListener("pointerdown", () => session?.ear?.wake());
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [dropped] = event.dataTransfer.files;
  if (dropped) begin(dropped.name, () => file(dropped));
});

let plays = false; // when the page went into the background
document.addEventListener("visibilitychange", () => {
  if (!session?.running) return;
  const isFile = !session.stream;
  if (document.hidden) {
    view.note("hidden", "Paused while this page is in the background.");
    plays = !view.element.paused;
    if (isFile) view.element.pause();
  } else {
    view.note("hidden", "");
    // Between before and after lies a gap that is no part of a window.
    if (!isFile) session.startAnew();
    else if (plays) view.element.play();
  }
});

const KEYS = {c: "camera", f: "choose", s: "stop", " ": "pause", r: "again"};
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
  const button = $(KEYS[event.key.toLowerCase()] ?? "");
  const focused = event.target.closest?.("button, input, summary, video");
  // What has the focus keeps its space and its letters.
  if (!button || button.offsetParent === null || (focused && (event.key === " " || focused.type === "text"))) return;
  event.preventDefault();
  button.click();
});

main();
