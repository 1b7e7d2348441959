/** What the page carries: parts in base 85 (Python's `base64.b85encode`), compressed with gzip. */

const ALPHABET =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const VALUES = new Uint8Array(128);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** @param {string} text @returns {Uint8Array} five characters are four bytes */
export function fromBase85(text) {
  const missing = (5 - (text.length % 5)) % 5;
  const digits = new TextEncoder().encode(text + "~".repeat(missing));
  const bytes = new Uint8Array((4 * digits.length) / 5);
  for (let i = 0, at = 0; i < digits.length; i += 5, at += 4) {
    let word = VALUES[digits[i]];
    for (let k = 1; k < 5; k++) word = 85 * word + VALUES[digits[i + k]];
    bytes[at] = word >>> 24;
    bytes[at + 1] = word >>> 16;
    bytes[at + 2] = word >>> 8;
    bytes[at + 3] = word;
  }
  return bytes.subarray(0, bytes.length - missing);
}

/** The bytes of one part. */
export async function unpacked(text) {
  const stream = new Blob([fromBase85(text)]).stream();
  const whole = new Response(stream.pipeThrough(new DecompressionStream("gzip")));
  return new Uint8Array(await whole.arrayBuffer());
}

const ARRAYS = {uint8: Uint8Array, float32: Float32Array, int32: Int32Array};

/**
 * An array of a golden clip.
 *
 * @param {Uint8Array} bytes little-endian; of colours the difference to the pixel before
 * @param {"uint8" | "float32" | "int32"} dtype
 */
export function toArray(bytes, dtype) {
  const array = new ARRAYS[dtype](bytes.buffer, bytes.byteOffset, bytes.length / ARRAYS[dtype].BYTES_PER_ELEMENT);
  if (dtype === "uint8") for (let i = 3; i < array.length; i++) array[i] += array[i - 3];
  return array;
}
