/** Which frames stand for a window: "faces.pick" in contract.json. */

/**
 * @param {ArrayLike<number>} timesS when frames begin, ascending
 * @param {ArrayLike<boolean>} hasFace
 * @param {number} startS
 * @param {number} endS
 * @param {number} segments
 * @returns {number[]} for each segment the number of a frame, or -1 where none has a face
 */
export function pickFrames(timesS, hasFace, startS, endS, segments) {
  const picked = new Array(segments).fill(-1);
  const n = timesS.length;
  if (!n) return picked;
  const frameS = n > 1 ? (timesS[n - 1] - timesS[0]) / (n - 1) : 1 / 30;
  // A picture that ends before the sound does still fills all the segments.
  const lastS = Math.min(endS, timesS[n - 1] + frameS);
  const segmentS = Math.max((lastS - startS) / segments, 1e-6);
  const reachS = Math.max(segmentS, frameS) / 2 + 1e-3;
  for (let i = 0; i < segments; i++) {
    const centreS = startS + (i + 0.5) * segmentS;
    let nearestS = Infinity;
    for (let j = 0; j < n; j++) {
      const middleS = timesS[j] + frameS / 2;
      // Of two frames equally near, the earlier.
      const distanceS = Math.abs(middleS - (centreS - 1e-4));
      if (hasFace[j] && Math.abs(middleS - centreS) <= reachS && distanceS < nearestS) {
        picked[i] = j;
        nearestS = distanceS;
      }
    }
  }
  return picked;
}

/** The last frames of a camera: when each began, and its embedding if it had a face. */
export class FaceRing {
  /**
   * @param {number} segments of a window
   * @param {number} windowS
   * @param {number} capacity frames that are kept, by default a window of 60 a second
   */
  constructor(segments, windowS, capacity = Math.max(8 * segments, Math.ceil(60 * windowS))) {
    Object.assign(this, {segments, windowS, capacity});
    this.frames = [];
  }

  /** Adds a frame that began at `timeS`, later than all before; null: it shows no face. */
  add(timeS, embedding) {
    const last = this.frames[this.frames.length - 1];
    if (last && timeS <= last.timeS) throw new RangeError("frames come in the order of time");
    this.frames.push({timeS, embedding});
    if (this.frames.length > this.capacity) this.frames.shift();
  }

  /** The window that ends at `endS`: for each segment an embedding, or null. */
  window(endS) {
    const startS = endS - this.windowS;
    const inside = this.frames.filter((frame) => frame.timeS >= startS && frame.timeS < endS);
    if (!inside.length) return new Array(this.segments).fill(null);
    const picked = pickFrames(
      inside.map((frame) => frame.timeS),
      inside.map((frame) => frame.embedding !== null),
      // A window that has only begun is as long as what it holds.
      inside[0].timeS,
      endS,
      this.segments,
    );
    return picked.map((i) => (i < 0 ? null : inside[i].embedding));
  }

  clear() {
    this.frames = [];
  }
}
