/** Reads what plays, picture and sound, frame by frame, until it ends. */

import {Ear} from "./media.js";

/** Seconds between answers, and between frames that are used. */
export const ANSWER_S = 0.25;
export const FRAME_S = 1 / 15;

export class Session {
  /**
   * @param {object} parts
   * @param {HTMLVideoElement} parts.video that plays a file or a camera
   * @param {import("./live.js").Live} parts.live
   * @param {import("./finder.js").Finder} parts.finder
   * @param {import("./meter.js").Meter} parts.meter
   * @param {(found: import("./finder.js").Found) => void} parts.saw
   * @param {(answer: import("./live.js").Answer, atS: number) => void} parts.answered
   * @param {MediaStream | null} [parts.stream] of a camera or microphone
   */
  constructor({video, live, finder, meter, saw, answered, stream = null}) {
    Object.assign(this, {video, live, finder, meter, saw, answered, stream});
    this.running = true;
    this.lookedS = this.answeredS = -Infinity;
  }

  /**
   * Goes until the file has ended or `stop` is called.
   *
   * @throws {Error | MediaError} a file that is damaged from somewhere on, which has no end
   */
  async run() {
    const hears = this.stream ? this.stream.getAudioTracks().length > 0 : true;
    if (hears && this.live.hears) {
      const source = this.stream ?? this.video;
      this.ear = await Ear.open(source, this.live.rate, (samples) => this.hear(samples));
    }
    this.video.addEventListener("seeking", () => this.startAnew());
    while (this.running) {
      const frameS = await this.nextFrame();
      if (this.running && this.video.error) throw this.video.error;
      if (!this.running || document.hidden) continue;
      if (this.live.sees && frameS !== null && frameS - this.lookedS >= 0.9 * FRAME_S) await this.look(frameS);
      const nowS = this.now();
      const paused = this.video.paused && !this.video.ended && !this.soundOnly();
      if (!paused && nowS - this.answeredS >= ANSWER_S) await this.answer(nowS);
      if (this.video.ended && !this.stream) break;
    }
    if (this.running) await this.answer(this.now());
    this.stop();
  }

  stop() {
    this.running = false;
    this.ear?.close();
    this.ear = null;
    this.stream?.getTracks().forEach((track) => track.stop());
  }

  hear(samples) {
    // While a file is paused its sound is only that of the pause.
    if (this.running && !document.hidden && (this.stream || !this.video.paused)) {
      this.live.addSound(samples);
    }
  }

  startAnew() {
    this.live.reset();
    this.lookedS = this.answeredS = -Infinity;
  }

  /** A camera that has only a microphone shows no frames. */
  soundOnly() {
    return !this.video.videoWidth;
  }

  now() {
    return this.stream ? performance.now() / 1000 : this.video.currentTime;
  }

  /** The time of a new frame, or null when there was none for a while. */
  nextFrame() {
    return new Promise((resolve) => {
      let asked; // undefined for good where the browser has no such call
      const timer = setTimeout(() => {
        if (asked !== undefined) this.video.cancelVideoFrameCallback(asked);
        // Without the call a browser shows its frames to whoever looks.
        resolve(this.video.requestVideoFrameCallback || this.video.paused ? null : this.now());
      }, this.video.requestVideoFrameCallback ? 1000 * ANSWER_S : 1000 * FRAME_S);
      asked = this.video.requestVideoFrameCallback?.((_, frame) => {
        clearTimeout(timer);
        resolve(this.stream ? this.now() : frame.mediaTime);
      });
    });
  }

  async look(timeS) {
    const {videoWidth, videoHeight} = this.video;
    if (!videoWidth || timeS <= this.lookedS) return;
    this.lookedS = timeS;
    const begun = performance.now();
    const found = await this.finder.find(this.video, videoWidth, videoHeight);
    this.meter.add("find", performance.now() - begun);
    // Stopped, or started anew, meanwhile: it is of another file or place.
    if (!this.running || this.lookedS !== timeS) return;
    if (found.face) {
      await this.meter.time("encode", () => this.live.addFrame(timeS, found.face));
      this.meter.add("frame", performance.now() - begun);
      this.meter.count(performance.now() / 1000);
    } else {
      await this.live.addFrame(timeS, null);
    }
    this.saw(found);
  }

  async answer(endS) {
    this.answeredS = endS;
    // It gives not even silence then: what was heard last would stay.
    if (this.ear?.asleep) this.live.sound.clear();
    const answer = await this.meter.time("answer", () => this.live.answer(endS));
    // Stopped, or started anew, meanwhile: it is about another file or place.
    if (this.running && this.answeredS === endS) this.answered(answer, endS);
  }
}
