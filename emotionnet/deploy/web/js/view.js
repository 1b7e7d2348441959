/** What the page shows: the picture with the face, the answer as bars, what is missing, figures. */

import {Timeline, best, unsure} from "./timeline.js";

export const $ = (id) => document.getElementById(id);
const STREAMS = ["probabilities", "face", "speech"];
const percent = (value) => `${Math.round(100 * value)} %`;
/** Seconds between sentences for those who listen to the page. */
const SAID_S = 4;

export class View {
  /** @param {object} facts of the page @param {import("./meter.js").Meter} meter */
  constructor({contract, margin}, meter) {
    Object.assign(this, {labels: contract.labels, streams: contract.fusion.streams, margin, meter});
    this.size = contract.faces.size;
    this.chosen = "probabilities";
    this.timeline = new Timeline($("timeline"), this.labels, margin);
    this.figures = {};
    this.makeBars();
    $("streams").addEventListener("change", (event) => this.choose(event.target.value));
    $("streams").hidden = this.streams.length < 2;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.timeline.draw());
    addEventListener("resize", () => this.timeline.draw());
  }

  makeBars() {
    this.rows = this.labels.map((label) => {
      const row = $("bars").tBodies[0].insertRow();
      const name = document.createElement("th");
      Object.assign(name, {scope: "row", textContent: label});
      const track = document.createElement("div");
      track.className = "track";
      const bars = STREAMS.map((stream) => {
        const bar = document.createElement("div");
        bar.className = `bar ${stream}`;
        return bar;
      });
      track.append(...bars);
      row.append(name);
      row.insertCell().append(track);
      const value = row.insertCell();
      value.className = "value";
      return {row, bars, value};
    });
    this.choose(this.chosen);
  }

  choose(stream) {
    this.chosen = stream;
    for (const {bars} of this.rows) {
      bars.forEach((bar, i) => bar.classList.toggle("chosen", STREAMS[i] === stream));
    }
    this.timeline.clear();
    if (this.last) this.showAnswer(...this.last);
  }

  /** Puts an element that plays, or a still picture, on the stage. */
  setStage(element, {mirror = false} = {}) {
    const marks = document.createElement("canvas");
    marks.className = "marks";
    marks.setAttribute("aria-hidden", "true");
    this.marks = marks;
    this.element = element;
    $("play").classList.toggle("mirror", mirror);
    $("play").replaceChildren(element, marks);
    this.restart();
  }

  /** Nothing was seen or heard yet. */
  restart() {
    this.last = null;
    this.saidS = -Infinity;
    this.timeline.clear();
    $("headline").textContent = "Looking …";
    $("summary").textContent = "";
    this.notes = {};
    for (const {bars, value, row} of this.rows) {
      bars.forEach((bar) => (bar.style.width = "0"));
      value.textContent = "";
      row.className = "";
    }
    this.showCrop(null);
    this.timeline.draw();
  }

  /** Box and crop of a frame, and how many faces there are. */
  showFaces({count, face, box, square}, width, height) {
    if (this.marks.width !== width) this.marks.width = width;
    if (this.marks.height !== height) this.marks.height = height;
    const pen = this.marks.getContext("2d");
    pen.clearRect(0, 0, width, height);
    if (square) {
      const thin = Math.max(width, height) / 320;
      pen.lineWidth = 2 * thin;
      pen.strokeStyle = "#fff";
      pen.strokeRect(square.left, square.top, square.side, square.side);
      pen.lineWidth = thin;
      pen.strokeStyle = "#1f5fbf";
      pen.strokeRect(...box);
    }
    this.showCrop(face);
    this.note("face", count === 0 ? "No face in the picture." : count > 1 ? "More than one face: the largest one counts." : "");
  }

  showCrop(face) {
    const pen = $("crop").getContext("2d");
    if (!face) {
      pen.clearRect(0, 0, this.size, this.size);
      return;
    }
    const pixels = pen.createImageData(this.size, this.size);
    for (let i = 0, o = 0; i < face.length; i += 3, o += 4) {
      pixels.data.set([face[i], face[i + 1], face[i + 2], 255], o);
    }
    pen.putImageData(pixels, 0, 0);
  }

  /** @param {import("./live.js").Answer} answer */
  showAnswer(answer, atS) {
    this.last = [answer, atS];
    const chosen = answer[this.chosen];
    const lead = chosen ? best(chosen) : -1;
    this.rows.forEach(({row, bars, value}, i) => {
      bars.forEach((bar, k) => {
        const values = answer[STREAMS[k]];
        bar.style.width = values ? `${100 * values[i]}%` : "0";
      });
      value.textContent = chosen ? percent(chosen[i]) : "";
      row.className = i === lead ? "best" : "";
    });
    this.timeline.add(atS, chosen);
    this.timeline.draw();
    $("summary").textContent = this.timeline.summary();
    this.headline(chosen, lead, atS);
    const heard = this.streams.includes("speech");
    this.note("sound", heard && !answer.soundS ? "No sound: the answer is the face's." : "");
    this.note("window", answer.faces || !this.streams.includes("faces") ? "" : "No face lately: the answer is the voice's.");
    if (!answer.soundS && !answer.faces) this.note("sound", "Neither a face nor sound: there is nothing to answer from.");
    if (!answer.soundS && !answer.faces) this.note("window", "");
    this.showFigures();
  }

  headline(chosen, lead, atS) {
    const words = {probabilities: "Nothing to answer from", face: "No face to answer from", speech: "No voice to answer from"};
    const sure = chosen && !unsure(chosen, this.margin);
    const text = chosen ? this.labels[lead] : words[this.chosen];
    const more = document.createElement("span");
    more.className = "soft";
    more.textContent = chosen ? ` ${percent(chosen[lead])}${sure ? "" : ", unsure"}` : "";
    $("headline").replaceChildren(text, more);
    if (atS - this.saidS < SAID_S && atS >= this.saidS) return;
    this.saidS = atS;
    const said = text + more.textContent;
    if ($("said").textContent !== said) $("said").textContent = said;
  }

  /** One sentence a subject; an empty one takes it away. */
  note(subject, sentence) {
    if ((this.notes[subject] ?? "") === sentence) return;
    this.notes[subject] = sentence;
    const items = Object.values(this.notes).filter(Boolean).map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    });
    $("notes").replaceChildren(...items);
  }

  showFigures(more = {}) {
    Object.assign(this.figures, more);
    const ms = (name) => (this.meter.median(name) === null ? "–" : `${this.meter.median(name).toFixed(1)} ms`);
    const rows = {
      ...this.figures,
      "Faces a second": this.meter.rate(performance.now() / 1000).toFixed(1),
      "Finding and cutting out a face (median)": ms("find"),
      "Encoding it (median)": ms("encode"),
      "From a frame to its face encoded (median)": ms("frame"),
      "An answer (median)": ms("answer"),
    };
    const made = Object.entries(rows).map(([name, text]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      Object.assign(head, {scope: "row", textContent: name});
      row.append(head);
      row.insertCell().textContent = text;
      return row;
    });
    $("figures").replaceChildren(...made);
  }
}
