import {readFileSync} from "node:fs";

const path = process.env.EMOTIONNET_VECTORS;

/** What Python gives for the same cases; tests/web/test_js.py writes it. */
export const vectors = path ? JSON.parse(readFileSync(path, "utf8")) : null;
export const skip = path ? false : "run by pytest: tests/web/test_js.py writes the vectors";
