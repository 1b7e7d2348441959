/** How long things take, and how often they happen: medians over the last ones. */

const KEPT = 200;

export class Meter {
  times = {};
  moments = [];

  /** Runs `work`, and counts its milliseconds under `name`. */
  async time(name, work) {
    const begun = performance.now();
    const result = await work();
    this.add(name, performance.now() - begun);
    return result;
  }

  add(name, ms) {
    const kept = (this.times[name] ??= []);
    kept.push(ms);
    if (kept.length > KEPT) kept.shift();
  }

  /** The median in milliseconds; null before the first. */
  median(name) {
    const sorted = [...(this.times[name] ?? [])].sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }

  /** Counts one face that was encoded, now. */
  count(nowS) {
    this.moments.push(nowS);
    while (this.moments[0] < nowS - 5) this.moments.shift();
  }

  /** How many were counted a second, over the last five. */
  rate(nowS) {
    const recent = this.moments.filter((at) => at > nowS - 5);
    return recent.length < 2 ? 0 : (recent.length - 1) / Math.max(nowS - recent[0], 1e-3);
  }

  clear() {
    this.times = {};
    this.moments = [];
  }
}
