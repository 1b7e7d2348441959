/** Sound as the model wants it: mono at one rate, the last seconds of it. */

/** Up to this peak, in steps of 16 bits, sound is digital silence: a microphone that is off. */
const SILENCE_STEPS = 2;

/** The last `capacity` samples. */
export class SoundRing {
  constructor(capacity) {
    this.samples = new Float32Array(capacity);
    this.clear();
  }

  /** @param {ArrayLike<number>} samples in [-1, 1] */
  add(samples) {
    const capacity = this.samples.length;
    for (let i = Math.max(0, samples.length - capacity); i < samples.length; i++) {
      this.samples[this.next] = samples[i];
      this.next = (this.next + 1) % capacity;
    }
    this.filled = Math.min(capacity, this.filled + samples.length);
  }

  /** Copies the sound, oldest sample first and zeros after its end; returns its true length. */
  copyTo(waveform) {
    const capacity = this.samples.length;
    const oldest = (this.next - this.filled + capacity) % capacity;
    for (let i = 0; i < this.filled; i++) waveform[i] = this.samples[(oldest + i) % capacity];
    waveform.fill(0, this.filled);
    return this.filled;
  }

  clear() {
    this.next = 0;
    this.filled = 0;
  }
}

/** False for digital silence. */
export function audible(waveform, length) {
  for (let i = 0; i < length; i++) if (Math.abs(waveform[i]) > SILENCE_STEPS / 32768) return true;
  return false;
}

/** Changes the rate of a stream of sound, for browsers that cannot: a windowed sinc. */
export class Resampler {
  /** @param {number} from @param {number} to samples a second */
  constructor(from, to) {
    this.step = from / to;
    this.cut = Math.min(1, to / from);
    this.reach = Math.ceil(16 / this.cut);
    this.held = new Float32Array(this.reach); // silence before the beginning
    this.at = this.reach; // of the next sample, in those held
  }

  /** The samples that have become possible. */
  add(samples) {
    const held = new Float32Array(this.held.length + samples.length);
    held.set(this.held);
    held.set(samples, this.held.length);
    const out = [];
    for (; this.at + this.reach < held.length; this.at += this.step) out.push(this.sample(held));
    const used = Math.max(0, Math.floor(this.at) - this.reach);
    this.held = held.slice(used);
    this.at -= used;
    return Float32Array.from(out);
  }

  sample(held) {
    let sum = 0;
    for (let i = Math.ceil(this.at - this.reach); i <= this.at + this.reach; i++) {
      const x = i - this.at;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / (this.reach + 1));
      const angle = Math.PI * x * this.cut;
      sum += held[i] * window * this.cut * (angle === 0 ? 1 : Math.sin(angle) / angle);
    }
    return sum;
  }
}
