/** From a picture to the face as the model sees it: BlazeFace, and the crop. */

import {INPUT, facesOf, letterbox, toInput} from "./blazeface.js";
import {cropFace, cropSquare} from "./crop.js";

const ENTRY = "<placeholder signature>";

/**
 * @typedef {object} Found
 * @property {number} count faces in the picture
 * @property {Uint8Array | null} face of the largest, as the model wants it
 * @property {number[] | null} box of the largest: x, y, width, height
 * @property {import("./crop.js").Square | null} square that was cut out
 */

export class Finder {
  /**
   * @param {import("./runtime.js").Model} model BlazeFace
   * @param {import("./crop.js").Rule} rule its row of the contract
   * @param {number} size side of the face that the model wants
   */
  constructor(model, rule, size) {
    Object.assign(this, {model, rule, size});
    this.small = context(INPUT);
    this.cut = context(1);
    this.input = new Float32Array(INPUT * INPUT * 3);
  }

  /**
   * @param {CanvasImageSource} picture
   * @param {number} width
   * @param {number} height
   * @returns {Promise<Found>}
   */
  async find(picture, width, height) {
    const place = letterbox(width, height);
    this.small.clearRect(0, 0, INPUT, INPUT);
    this.small.drawImage(picture, place.left, place.top, width * place.scale, height * place.scale);
    const pixels = this.small.getImageData(0, 0, INPUT, INPUT).data;
    const {regressors, classificators} = await this.model.run(ENTRY, {input: toInput(pixels, this.input)});
    const faces = facesOf(regressors, classificators, place);
    if (!faces.length) return {count: 0, face: null, box: null, square: null};
    const [{eyes, mouth, box}] = faces;
    const square = cropSquare(eyes, mouth, this.rule);
    return {count: faces.length, face: this.crop(picture, width, height, square), box, square};
  }

  /** Reads only what lies in the square, pixel by pixel. */
  crop(picture, width, height, square) {
    const left = Math.max(0, square.left);
    const top = Math.max(0, square.top);
    const wide = Math.min(width, square.left + square.side) - left;
    const high = Math.min(height, square.top + square.side) - top;
    if (wide < 1 || high < 1) return new Uint8Array(this.size ** 2 * 3);
    Object.assign(this.cut.canvas, {width: wide, height: high});
    this.cut.drawImage(picture, left, top, wide, high, 0, 0, wide, high);
    const moved = {left: square.left - left, top: square.top - top, side: square.side};
    return cropFace(this.cut.getImageData(0, 0, wide, high), moved, this.size);
  }
}

function context(side) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, {width: side, height: side});
  return canvas.getContext("2d", {willReadFrequently: true});
}
