/** LiteRT.js: a .tflite file whose entry points are called by name, with plain arrays. */

import {loadAndCompile, loadLiteRt, Tensor} from "@litertjs/core";

/**
 * Starts the runtime from what the page holds; nothing is fetched.
 *
 * @param {string} script LiteRT.js's own loader of its WebAssembly
 * @param {Uint8Array} wasm
 */
export async function startRuntime(script, wasm) {
  self.Module = {wasmBinary: wasm};
  const url = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
  // It takes an address for a script by its ending.
  await loadLiteRt(`${url}#.js`);
  URL.revokeObjectURL(url);
}

export class Model {
  /** @param {Uint8Array} bytes of the file */
  static async open(bytes) {
    return new Model(await loadAndCompile(bytes, {accelerator: "wasm"}));
  }

  constructor(compiled) {
    this.compiled = compiled;
    this.shapes = {};
    for (const [name, signature] of Object.entries(compiled.signatures)) {
      const inputs = signature.getInputDetails().map((each) => [each.name, each.shape]);
      this.shapes[name] = Object.fromEntries(inputs);
    }
  }

  /**
   * @param {string} name of the entry point
   * @param {Record<string, Uint8Array | Float32Array | Int32Array>} inputs
   * @returns {Promise<Record<string, Uint8Array | Float32Array | Int32Array>>} outputs, copied
   */
  async run(name, inputs) {
    const tensors = {};
    let outputs = {};
    try {
      for (const [key, values] of Object.entries(inputs)) {
        tensors[key] = new Tensor(values, this.shapes[name][key]);
      }
      outputs = await this.compiled.run(name, tensors);
      const copied = Object.entries(outputs).map(([key, t]) => [key, t.toTypedArray().slice()]);
      return Object.fromEntries(copied);
    } finally {
      // Its memory is not the browser's to tidy up.
      for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
    }
  }
}
