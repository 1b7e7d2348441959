/**
 * Faces by BlazeFace, short range (Bazarevsky et al. 2019): its anchors, and what its numbers mean.
 * The network is in npm's @mediapipe/face_detection.
 */

/** Side of the picture that the network takes, RGB from -1 to 1. */
export const INPUT = 128;
const MIN_SCORE = 0.5;
/** Boxes that overlap by more are one face. */
const MAX_OVERLAP = 0.3;
/** Two anchors a cell on the finer grid, six on the coarser. */
const GRIDS = [[16, 2], [8, 6]];
/** Points after the box's four numbers; "right" is the face's own. */
const POINTS = ["rightEye", "leftEye", "nose", "mouth", "rightEar", "leftEar"];

/** @type {[number, number][]} the centres of the anchors, in sides of the picture */
const ANCHORS = GRIDS.flatMap(([cells, each]) =>
  Array.from({length: cells * cells * each}, (_, i) => {
    const cell = Math.floor(i / each);
    return [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
  }),
);

/**
 * How a picture is put into the network's square: reduced to fit, centred, black around it.
 *
 * @returns {{scale: number, left: number, top: number}} picture pixel * scale + left, top
 */
export function letterbox(width, height, side = INPUT) {
  const scale = side / Math.max(width, height);
  return {scale, left: (side - width * scale) / 2, top: (side - height * scale) / 2};
}

/** RGBA bytes of the network's square as the network wants them. */
export function toInput(rgba, out = new Float32Array(INPUT * INPUT * 3)) {
  for (let i = 0, o = 0; o < out.length; i += 4) {
    out[o++] = rgba[i] / 127.5 - 1;
    out[o++] = rgba[i + 1] / 127.5 - 1;
    out[o++] = rgba[i + 2] / 127.5 - 1;
  }
  return out;
}

/**
 * The faces in the network's outputs, the largest first.
 *
 * @param {Float32Array} regressors 896 * 16
 * @param {Float32Array} classificators 896
 * @param {{scale: number, left: number, top: number}} place of `letterbox`
 * @returns {{score: number, box: number[], eyes: object[], mouth: object[]}[]} in picture pixels,
 *     the first pixel at 0, 0; box: x, y, width, height; eyes: left and right as seen
 */
export function facesOf(regressors, classificators, place) {
  const found = [];
  for (let i = 0; i < ANCHORS.length; i++) {
    const score = 1 / (1 + Math.exp(-Math.min(Math.max(classificators[i], -100), 100)));
    if (score >= MIN_SCORE) found.push(decoded(regressors.subarray(16 * i), ANCHORS[i], score));
  }
  return merged(found)
    .map((face) => inPicture(face, place))
    .sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
}

/** Box (x0, y0, x1, y1) and points in pixels of the network's square. */
function decoded(numbers, [anchorX, anchorY], score) {
  const at = (i) => [numbers[i] + anchorX * INPUT, numbers[i + 1] + anchorY * INPUT];
  const [x, y] = at(0);
  const [halfW, halfH] = [numbers[2] / 2, numbers[3] / 2];
  const values = [x - halfW, y - halfH, x + halfW, y + halfH];
  for (let i = 0; i < POINTS.length; i++) values.push(...at(4 + 2 * i));
  return {score, values};
}

/** One face for all boxes that overlap: their mean, weighted by score. */
function merged(found) {
  let left = [...found].sort((a, b) => b.score - a.score);
  const faces = [];
  while (left.length) {
    const same = left.filter((face) => overlap(face.values, left[0].values) > MAX_OVERLAP);
    const total = same.reduce((sum, face) => sum + face.score, 0);
    const values = left[0].values.map((_, i) =>
      same.reduce((sum, face) => sum + face.score * face.values[i], 0) / total,
    );
    faces.push({score: left[0].score, values});
    left = left.filter((face) => !same.includes(face));
  }
  return faces;
}

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return a === b ? 1 : 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}

function inPicture({score, values}, {scale, left, top}) {
  // Edges of pixels there, their centres here.
  const x = (value) => (value - left) / scale - 0.5;
  const y = (value) => (value - top) / scale - 0.5;
  const point = (name) => {
    const at = 4 + 2 * POINTS.indexOf(name);
    return {x: x(values[at]), y: y(values[at + 1])};
  };
  const box = [x(values[0]), y(values[1]), (values[2] - values[0]) / scale, (values[3] - values[1]) / scale];
  const eyes = [point("rightEye"), point("leftEye")];
  return {score, box, eyes, mouth: [point("mouth")]};
}
