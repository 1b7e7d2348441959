/** The last minute: a row a label, the darker the more probable; below, when the answer was unsure. */

export const SPAN_S = 60;
const ROW = 15;
const NAMES = 88;

/** Whether an answer leads by too little to be called one. */
export function unsure(probabilities, margin) {
  const sorted = Float32Array.from(probabilities).sort();
  return sorted[sorted.length - 1] - sorted[sorted.length - 2] < margin;
}

export class Timeline {
  /** @param {HTMLCanvasElement} canvas @param {string[]} labels @param {number} margin */
  constructor(canvas, labels, margin) {
    Object.assign(this, {canvas, labels, margin});
    this.answers = [];
  }

  /** @param {ArrayLike<number> | null} probabilities null: there was nothing to answer from */
  add(atS, probabilities) {
    this.answers.push({atS, probabilities});
    while (this.answers[0].atS < atS - SPAN_S) this.answers.shift();
  }

  clear() {
    this.answers = [];
  }

  /** The same in words. */
  summary() {
    const counts = new Map();
    for (const {probabilities} of this.answers) {
      const word = !probabilities
        ? "nothing to answer from"
        : unsure(probabilities, this.margin)
          ? "unsure"
          : this.labels[best(probabilities)];
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const share = (n) => `${Math.round((100 * n) / this.answers.length)} %`;
    const parts = [...counts].sort((a, b) => b[1] - a[1]).map(([word, n]) => `${word} ${share(n)}`);
    return parts.length ? `The last minute: ${parts.join(", ")}` : "";
  }

  draw() {
    const {canvas, labels} = this;
    const width = canvas.clientWidth;
    const height = ROW * (labels.length + 1) + 16;
    const ratio = self.devicePixelRatio || 1;
    Object.assign(canvas, {width: Math.round(width * ratio), height: Math.round(height * ratio)});
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    this.names(pen, colour);
    const endS = this.answers.at(-1)?.atS ?? 0;
    const x = (atS) => width - ((endS - atS) / SPAN_S) * (width - NAMES);
    let before = -Infinity;
    for (const {atS, probabilities} of this.answers) {
      const left = Math.round(Math.max(x(before), x(atS) - 6, NAMES));
      before = atS;
      this.column(pen, colour, left, Math.round(x(atS)) - left, probabilities);
    }
    pen.fillStyle = colour("--soft");
    pen.textAlign = "right";
    pen.fillText("now", width, height - 3);
    pen.textAlign = "left";
    pen.fillText("a minute ago", NAMES, height - 3);
  }

  names(pen, colour) {
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "alphabetic";
    [...this.labels, "unsure"].forEach((label, row) => {
      pen.fillStyle = colour("--soft");
      pen.fillText(label, 0, ROW * row + 11, NAMES - 8);
      pen.fillStyle = colour("--line");
      pen.fillRect(NAMES, ROW * (row + 1) - 1, 1e4, 1);
    });
  }

  column(pen, colour, left, width, probabilities) {
    if (!probabilities) return;
    pen.fillStyle = colour("--main");
    this.labels.forEach((_, row) => {
      pen.globalAlpha = probabilities[row];
      pen.fillRect(left, ROW * row, width, ROW - 1);
    });
    pen.globalAlpha = 1;
    if (!unsure(probabilities, this.margin)) return;
    pen.fillStyle = colour("--warn-line");
    pen.fillRect(left, ROW * this.labels.length + 3, width, ROW - 7);
  }
}

/** The number of the largest value. */
export function best(values) {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[at]) at = i;
  return at;
}
