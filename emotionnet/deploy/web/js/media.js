/** Cameras, microphones and files, as elements that play and sound that arrives in pieces. */

import {Resampler} from "./sound.js";

/** As it is: what makes a voice pleasant on the telephone changes how it sounds. */
const SOUND = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
const PICTURE = {width: {ideal: 640}, height: {ideal: 480}, facingMode: "user"};

const KINDS = {
  video: {name: "camera", permission: "camera", sense: "face"},
  audio: {name: "microphone", permission: "microphone", sense: "voice"},
};
const REFUSED =
  "The browser refused camera and microphone. Allow them for this page (the sign beside the address), " +
  "then try again. Files work without.";

/**
 * Opens camera and microphone, or the one that can be had.
 *
 * @returns {Promise<{stream: MediaStream, notes: string[]}>} what to say about the one that is missing
 * @throws {Error} with a message for a person
 */
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("This browser gives a page no camera here. Open the file itself, or from an https address.");
  }
  try {
    return {stream: await ask("video", "audio"), notes: []};
  } catch (error) {
    // Whoever said no to both is not asked again.
    if (isRefusal(error) && (await refused("video")) === (await refused("audio"))) throw new Error(REFUSED);
  }
  const failures = [];
  for (const [kind, other] of [["video", "audio"], ["audio", "video"]]) {
    try {
      const stream = await ask(kind);
      const why = failures[0] ?? (await whyNot(other));
      return {stream, notes: [`${why} Answers come from the ${KINDS[kind].sense} alone.`]};
    } catch (error) {
      failures.push(explained(error, kind));
    }
  }
  throw new Error(`${failures.join(" ")} Files work without.`);
}

const WISHES = {video: PICTURE, audio: SOUND};
const ask = (...kinds) =>
  navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, WISHES[kind]])));
const isRefusal = (error) => error.name === "NotAllowedError" || error.name === "SecurityError";

/** Whether the browser would refuse; unknown counts as not. */
async function refused(kind) {
  try {
    return (await navigator.permissions.query({name: KINDS[kind].permission})).state === "denied";
  } catch {
    return false;
  }
}

async function whyNot(kind) {
  try {
    (await ask(kind)).getTracks().forEach((track) => track.stop());
    return `The ${KINDS[kind].name} does not open together with the other.`;
  } catch (error) {
    return explained(error, kind);
  }
}

function explained(error, kind) {
  const {name} = KINDS[kind];
  if (isRefusal(error)) return `The browser refused the ${name}.`;
  if (error.name === "NotFoundError") return `There is no ${name}.`;
  if (error.name === "NotReadableError") return `The ${name} is taken by another program.`;
  return `The ${name} cannot be opened (${error.message || error.name}).`;
}

/** Makes one channel of several. A source that gives none is silent: time goes on, and what was heard grows old. */
export const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([channels]) {
    const mono = channels.length ? channels[0].slice() : new Float32Array(128);
    for (let c = 1; c < channels.length; c++) {
      for (let i = 0; i < mono.length; i++) mono[i] += channels[c][i];
    }
    for (let i = 0; i < mono.length; i++) mono[i] /= channels.length || 1;
    this.port.postMessage(mono);
    return true;
  }
});`;

/** Hands over the sound of a stream, or of an element that plays, at one rate and mono. */
export class Ear {
  /**
   * @param {MediaStream | HTMLMediaElement} source
   * @param {number} rate
   * @param {(samples: Float32Array) => void} hear
   */
  static async open(source, rate, hear) {
    try {
      return await new Ear().connect(new AudioContext({sampleRate: rate}), source, rate, hear);
    } catch (error) {
      // Some browsers do not bring a microphone to another rate.
      if (error.name !== "NotSupportedError") throw error;
      return new Ear().connect(new AudioContext(), source, rate, hear);
    }
  }

  async connect(context, source, rate, hear) {
    this.context = context;
    try {
      // From a file, Chromium takes no worklet out of a blob.
      await context.audioWorklet.addModule(`data:text/javascript;base64,${btoa(TAP)}`);
      const isStream = source instanceof MediaStream;
      const node = isStream
        ? context.createMediaStreamSource(source)
        : context.createMediaElementSource(source);
      // What an element plays is heard through here, or not at all.
      if (!isStream) node.connect(context.destination);
      const resampler = context.sampleRate === rate ? null : new Resampler(context.sampleRate, rate);
      const tap = new AudioWorkletNode(context, "tap", {numberOfOutputs: 0});
      tap.port.onmessage = ({data}) => hear(resampler ? resampler.add(data) : data);
      node.connect(tap);
    } catch (error) {
      await context.close();
      throw error;
    }
    this.wake();
    return this;
  }

  /** Before the first click, or without a loudspeaker, some browsers keep sound asleep; a phone call interrupts it. */
  wake() {
    this.context.resume();
  }

  get asleep() {
    return this.context.state !== "running";
  }

  close() {
    this.context.close();
  }
}

/**
 * An element that plays a file.
 *
 * @param {HTMLVideoElement} video
 * @param {File} file
 * @throws {Error} with a message for a person
 */
export async function openFile(video, file) {
  const url = URL.createObjectURL(file);
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => {
      URL.revokeObjectURL(url);
      const why = video.error?.message ? ` (${video.error.message})` : "";
      reject(
        new Error(
          `${file.name}: this browser cannot play it${why}. MP4 with H.264, WebM, WAV and MP3 are usual.`,
        ),
      );
    };
    video.src = url;
  });
}

/** Faces are searched in pictures of at most this many pixels a side. */
const LARGEST = 2048;

/**
 * @param {File} file
 * @returns {Promise<ImageBitmap>} upright
 * @throws {Error} with a message for a person
 */
export async function openPicture(file) {
  try {
    const whole = await createImageBitmap(file);
    const scale = LARGEST / Math.max(whole.width, whole.height);
    if (scale >= 1) return whole;
    const size = [whole.width, whole.height].map((side) => Math.round(side * scale));
    const options = {resizeWidth: size[0], resizeHeight: size[1], resizeQuality: "high"};
    const small = await createImageBitmap(whole, options);
    whole.close();
    return small;
  } catch {
    throw new Error(`${file.name}: this browser cannot show it. JPEG, PNG and WebP are usual.`);
  }
}
