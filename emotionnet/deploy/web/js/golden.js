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
  const known = new Map(); // clips share faces
  let largest = 0;
  let clip = clips[0].name;
  for (const {name, inputs, expected} of clips) {
    const difference = farthest(await answerLive(model, inputs, known), expected);
    if (difference > largest) [largest, clip] = [difference, name];
  }
  return {largest, clip, allowed, ok: largest <= allowed};
}

async function answerLive(model, inputs, known) {
  const {faces, frame_mask, waveform, waveform_samples} = inputs;
  if (!known.has(faces)) known.set(faces, await encoded(model, faces, frame_mask));
  const embeddings = known.get(faces);
  const speech = await model.run("encode_speech", {waveform, waveform_samples});
  const {speech_logits} = speech;
  return model.run("fuse", {embeddings, frame_mask, speech_logits, waveform_samples});
}

/** The embeddings of the faces, one after the other; of a masked one as of the others: any will do. */
async function encoded(model, faces, mask) {
  const size = faces.length / mask.length;
  let embeddings = null;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i] && embeddings) continue;
    const face = faces.subarray(i * size, (i + 1) * size);
    const {embedding} = await model.run("encode_face", {face});
    embeddings ??= new Float32Array(mask.length * embedding.length);
    embeddings.set(embedding, i * embedding.length);
  }
  return embeddings;
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
