/** The four views by name, in the order of the page. */

import { convergence } from "./view_convergence.js";
import { moving } from "./view_moving.js";
import { orthogonality } from "./view_orthogonality.js";
import { ritz } from "./view_ritz.js";

/**
 * @typedef {Object} Results
 * @property {import("./experiment.js").Problem} problem
 * @property {import("./lanczos.js").Process} process
 * @property {ReturnType<import("./experiment.js").convergence>} convergence
 * @property {(k: number) => import("./ritz.js").Ritz[]} ritz
 * @property {ReturnType<import("./experiment.js").lossOf>} loss
 * @property {ReturnType<import("./experiment.js").moving>} moving
 */

/**
 * @typedef {Object} View
 * @property {(host: HTMLElement, results: Results, state: import("./state.js").State) => void} draw the chart, into
 *   host
 * @property {(results: Results, state: import("./state.js").State) => Array} table caption, heads, rows, index of the
 *   row of the step
 * @property {(results: Results, state: import("./state.js").State) => string} words its part of the readout
 */

/** @type {Object<string, View>} */
export const VIEWS = { convergence, ritz, orthogonality, moving };
