/** The crop of a face: "crop" in contract.json, which says the rule word for word. */

/**
 * @typedef {{x: number, y: number}} Point pixels of the upright picture, the first pixel at 0, 0
 * @typedef {{left: number, top: number, side: number}} Square whole pixels; may reach outside
 * @typedef {{side: number, drop: number, mouth_weight: number}} Rule a row of crop.detectors
 * @typedef {{data: ArrayLike<number>, width: number, height: number}} Picture RGBA, as ImageData
 */

/** The nearest whole number, halves to even. */
export function round(x) {
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near + 0;
}

/**
 * The square around a face: rules 1 to 5.
 *
 * @param {Point[]} eyes left and right, as seen in the picture
 * @param {Point[]} mouth its two corners, or the one point that a detector gives
 * @param {Rule} rule of the detector that found them
 * @returns {Square}
 */
export function cropSquare(eyes, mouth, rule) {
  const eye = middle(eyes);
  const lips = middle(mouth);
  const [downX, downY] = [lips.x - eye.x, lips.y - eye.y];
  const length = Math.hypot(downX, downY);
  const apart = Math.hypot(eyes[1].x - eyes[0].x, eyes[1].y - eyes[0].y);
  const scale = Math.max(apart, rule.mouth_weight * length);
  const drop = rule.drop * scale;
  const x = eye.x + (length > 0 ? (drop * downX) / length : 0);
  const y = eye.y + (length > 0 ? (drop * downY) / length : drop);
  const side = Math.max(2, round(rule.side * scale));
  const half = (side - 1) / 2;
  return {left: round(x - half), top: round(y - half), side};
}

function middle(points) {
  const last = points[points.length - 1];
  return {x: (points[0].x + last.x) / 2, y: (points[0].y + last.y) / 2};
}

/**
 * Cuts a square out of a picture and resizes it: rules 5 and 6.
 *
 * @param {Picture} picture
 * @param {Square} square
 * @param {number} size side of the result
 * @returns {Uint8Array} RGB, size * size * 3
 */
export function cropFace(picture, square, size) {
  const {data, width, height} = picture;
  const taps = tapsOf(square.side, size);
  const out = new Uint8Array(size * size * 3);
  const sums = new Float32Array(size * 3);
  // Lines of the square that are reduced in width; two output lines may share one.
  const lines = new Map();
  const lineAt = (y) => {
    if (!lines.has(y)) lines.set(y, reducedLine(data, width, square.left, y, taps, size));
    return lines.get(y);
  };
  for (let row = 0; row < size; row++) {
    sums.fill(0);
    const first = square.top + taps.source[taps.start[row]];
    for (const y of lines.keys()) if (y < first) lines.delete(y);
    for (let k = taps.start[row]; k < taps.start[row + 1]; k++) {
      const y = square.top + taps.source[k];
      if (y < 0 || y >= height) continue; // outside the picture is black
      const line = lineAt(y);
      const weight = taps.weight[k];
      for (let i = 0; i < sums.length; i++) sums[i] += weight * line[i];
    }
    const at = row * size * 3;
    for (let i = 0; i < sums.length; i++) out[at + i] = Math.min(255, round(sums[i]));
  }
  return out;
}

function reducedLine(data, width, left, y, taps, size) {
  const line = new Float32Array(size * 3);
  for (let x = 0; x < size; x++) {
    for (let k = taps.start[x]; k < taps.start[x + 1]; k++) {
      const column = left + taps.source[k];
      if (column < 0 || column >= width) continue;
      const at = 4 * (y * width + column);
      const weight = taps.weight[k];
      line[3 * x] += weight * data[at];
      line[3 * x + 1] += weight * data[at + 1];
      line[3 * x + 2] += weight * data[at + 2];
    }
  }
  return line;
}

/**
 * Which old pixels make each new one along an axis: from `start` to the next, with `weight`s.
 * An average over the area covered where there are more old ones, else bilinear.
 */
function tapsOf(before, after) {
  const start = [0];
  const source = [];
  const weight = [];
  const ratio = before / after;
  for (let i = 0; i < after; i++) {
    if (before > after) {
      const from = i * ratio;
      const to = Math.min(from + ratio, before);
      for (let j = Math.floor(from); j < Math.min(before, Math.ceil(to)); j++) {
        const covered = Math.min(to, j + 1) - Math.max(from, j);
        if (covered > 1e-9) {
          source.push(j);
          weight.push(covered / (to - from));
        }
      }
    } else {
      const at = Math.min(Math.max((i + 0.5) * ratio - 0.5, 0), before - 1);
      const low = Math.min(Math.floor(at), before - 1);
      source.push(low, Math.min(low + 1, before - 1));
      weight.push(1 - (at - low), at - low);
    }
    start.push(source.length);
  }
  return {start, source, weight};
}
