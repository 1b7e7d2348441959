/** Live answers: a face is encoded once, the last ones stand in a ring, the answer is made of both. */

import {FaceRing} from "./pick.js";
import {SoundRing, audible} from "./sound.js";

/**
 * @typedef {object} Answer
 * @property {Float32Array | null} probabilities of face and voice together; null: neither was there
 * @property {Float32Array | null} face
 * @property {Float32Array | null} speech
 * @property {number} faces segments of the window that have a face
 * @property {number} soundS seconds of sound in the window
 */

export class Live {
  /**
   * @param {{run: (name: string, inputs: object) => Promise<Record<string, Float32Array>>}} model
   * @param {object} contract
   */
  constructor(model, contract) {
    const {faces, sound, signatures, fusion} = contract;
    this.model = model;
    // A model that was trained on one stream has the other's entry points too, untrained.
    this.sees = fusion.streams.includes("faces");
    this.hears = fusion.streams.includes("speech");
    this.rate = sound.sample_rate_hz;
    this.width = signatures.encode_face.outputs[0].shape.at(-1);
    this.faces = new FaceRing(faces.frames, sound.window_s);
    this.sound = new SoundRing(sound.samples);
    this.waveform = new Float32Array(sound.samples);
    this.embeddings = new Float32Array(faces.frames * this.width);
    this.mask = new Float32Array(faces.frames);
    // A speech stream may know other classes than the model, which then joins them in "fuse".
    this.silence = new Float32Array(signatures.encode_speech.outputs[0].shape.at(-1));
  }

  /** Encodes the face of the frame that began at `timeS`; null: it shows none. */
  async addFrame(timeS, face) {
    if (!this.sees) return;
    const {frames} = this.faces;
    const encoded = face && (await this.model.run("encode_face", {face}));
    if (frames !== this.faces.frames) return; // there was a reset meanwhile
    this.faces.add(timeS, encoded ? encoded.embedding : null);
  }

  /** Takes sound at the contract's rate. */
  addSound(samples) {
    if (this.hears) this.sound.add(samples);
  }

  /** @returns {Promise<Answer>} about the window that ends at `endS` */
  async answer(endS) {
    const faces = this.look(endS);
    const heard = this.listen();
    const soundS = heard / this.rate;
    if (!faces && !heard) return {probabilities: null, face: null, speech: null, faces, soundS};
    const samples = Int32Array.of(heard);
    const speech = heard
      ? await this.model.run("encode_speech", {waveform: this.waveform, waveform_samples: samples})
      : {speech_logits: this.silence};
    const out = await this.model.run("fuse", {
      embeddings: this.embeddings,
      frame_mask: this.mask,
      speech_logits: speech.speech_logits,
      waveform_samples: samples,
    });
    return {
      probabilities: out.probabilities,
      face: faces ? out.face_probabilities : null,
      speech: heard ? out.speech_probabilities : null,
      faces,
      soundS,
    };
  }

  /** Forgets what was seen and heard: another person, or another recording. */
  reset() {
    this.faces.clear();
    this.sound.clear();
  }

  /** Fills embeddings and mask; returns how many segments have a face. */
  look(endS) {
    this.embeddings.fill(0);
    this.mask.fill(0);
    this.faces.window(endS).forEach((embedding, i) => {
      if (embedding === null) return;
      this.embeddings.set(embedding, i * this.width);
      this.mask[i] = 1;
    });
    return this.mask.reduce((sum, one) => sum + one, 0);
  }

  /** Fills the waveform; returns how many samples of it count. */
  listen() {
    const length = this.sound.copyTo(this.waveform);
    if (audible(this.waveform, length)) return length;
    this.waveform.fill(0);
    return 0;
  }
}
