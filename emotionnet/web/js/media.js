/** Cameras, microphones and files, as elements that play and sound that arrives in pieces. */

import {Resampler} from "./sound.js";

/** As it is: what makes a voice pleasant on the telephone changes how it sounds. */
const SOUND = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
const PICTURE = {width: {ideal: 640}, height: {ideal: 480}, facingMode: "user"};

/**
 * Opens camera and microphone, or the one that can be had.
 *
 * @returns {Promise<{stream: MediaStream, notes: string[]}>} what to say about what is missing
 * @throws {Error} with a message for a person
 */
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      "This browser gives pages opened in this way no camera. Open the file itself, or from https.",
    );
  }
  const wishes = {video: PICTURE, audio: SOUND};
  try {
    return {stream: await navigator.mediaDevices.getUserMedia(wishes), notes: []};
  } catch (error) {
    if (error.name === "NotAllowedError" || error.name === "SecurityError") throw new Error(REFUSED);
    return openOne(wishes);
  }
}

const REFUSED =
  "The browser refused camera and microphone. Allow them for this page (the sign beside the address), " +
  "then try again. Files work without.";
const NAMES = {video: "camera", audio: "microphone"};

async function openOne(wishes) {
  const failures = {};
  for (const kind of ["video", "audio"]) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({[kind]: wishes[kind]});
      const lost = kind === "video" ? "audio" : "video";
      const from = kind === "video" ? "the face" : "the voice";
      const why = failures[lost] ?? (await reason({[lost]: wishes[lost]}, lost));
      return {stream, notes: [`${why} Answers come from ${from} alone.`]};
    } catch (error) {
      failures[kind] = explained(error, kind);
    }
  }
  throw new Error(`${failures.video} ${failures.audio} Files work without.`);
}

async function reason(wish, kind) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(wish);
    stream.getTracks().forEach((track) => track.stop());
    return `The ${NAMES[kind]} could not be opened together with the other.`;
  } catch (error) {
    return explained(error, kind);
  }
}

function explained(error, kind) {
  const name = NAMES[kind];
  return (
    {
      NotFoundError: `There is no ${name}.`,
      NotReadableError: `The ${name} is taken by another program.`,
      NotAllowedError: `The browser refused the ${name}.`,
    }[error.name] ?? `The ${name} cannot be opened (${error.message || error.name}).`
  );
}

const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([channels]) {
    if (!channels.length) return true;
    const mono = channels[0].slice();
    for (let c = 1; c < channels.length; c++) {
      for (let i = 0; i < mono.length; i++) mono[i] += channels[c][i];
    }
    for (let i = 0; i < mono.length; i++) mono[i] /= channels.length;
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
    // Before the first click some browsers keep it asleep.
    context.resume();
    return this;
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

/** Pictures are looked at in at most this many pixels a side. */
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
