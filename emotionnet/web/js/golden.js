/** Golden clips: does the model answer here as it did on the PC that made it? */

const LIVE = ["encode_face", "encode_speech", "fuse"];

/** The entry points that the page needs. */
export const missing = (contract) => LIVE.filter((name) => !(name in contract.signatures));

/**
 * Runs the clips through the entry points of live use.
 *
 * @param {{run: Function}} model
 * @param {{name: string, inputs: object, expected: Record<string, number[]>}[]} clips
 * @param {number} allowed largest difference
 * @returns {Promise<{largest: number, clip: string, allowed: number, ok: boolean}>} the largest
 *     difference and in which clip; NaN counts as infinite
 */
export async function checkGolden(model, clips, allowed) {
  let largest = 0;
  let clip = clips[0].name;
  for (const {name, inputs, expected} of clips) {
    const difference = farthest(await answerLive(model, inputs), expected);
    if (difference > largest) [largest, clip] = [difference, name];
  }
  return {largest, clip, allowed, ok: largest <= allowed};
}

async function answerLive(model, inputs) {
  const {faces, frame_mask, waveform, waveform_samples} = inputs;
  const frames = frame_mask.length;
  const size = faces.length / frames;
  const encoded = [];
  for (let i = 0; i < frames; i++) {
    const face = faces.subarray(i * size, (i + 1) * size);
    encoded.push((await model.run("encode_face", {face})).embedding);
  }
  const width = encoded[0].length;
  const embeddings = new Float32Array(frames * width);
  encoded.forEach((embedding, i) => embeddings.set(embedding, i * width));
  const speech = await model.run("encode_speech", {waveform, waveform_samples});
  const {speech_logits} = speech;
  return model.run("fuse", {embeddings, frame_mask, speech_logits, waveform_samples});
}

function farthest(outputs, expected) {
  let far = 0;
  for (const [name, values] of Object.entries(expected)) {
    const given = outputs[name];
    if (!given || given.length !== values.length) return Infinity;
    values.forEach((value, i) => {
      const difference = Math.abs(given[i] - value);
      far = Math.max(far, Number.isNaN(difference) ? Infinity : difference);
    });
  }
  return far;
}
