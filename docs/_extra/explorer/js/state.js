/** What the controls say, and the part of the address after #: one keeps the other. */

/** @typedef {Object<string, number|string>} State */

/** Every control: its value at first, and what it may be. Numbers are clamped to [least, most], rounded to `step`. */
export const CONTROLS = {
  n: { start: 48, least: 4, most: 200, step: 1 },
  spectrum: { start: "strakos", among: ["uniform", "geometric", "clustered", "strakos"] },
  logKappa: { start: 3, least: 0.5, most: 12, step: 0.5 },
  rho: { start: 0.8, least: 0.5, most: 1, step: 0.02 },
  rhs: { start: "equal", among: ["equal", "random", "three"] },
  seed: { start: 1, least: 1, most: 999, step: 1 },
  precision: { start: "double", among: ["double", "single"] },
  reorthogonalization: { start: "none", among: ["none", "local", "selective", "partial", "full"] },
  mu: { start: 0.9, least: 0.05, most: 1.5, step: 0.05 },
  delay: { start: 4, least: 1, most: 20, step: 1 },
  axis: { start: "linear", among: ["linear", "log"] },
  direction: { start: "random", among: ["random", "fading"] },
  logDrift: { start: -3, least: -8, most: 0, step: 0.25 },
  initial: { start: 16, least: 1, most: 40, step: 1 },
  growth: { start: 1, least: 1, most: 2, step: 0.1 },
  every: { start: 10, least: 2, most: 50, step: 1 },
  maximum: { start: 16, least: 1, most: 40, step: 1 },
  steps: { start: 80, least: 4, most: 240, step: 1 },
  step: { start: 30, least: 0, most: 240, step: 1 },
};

/** @returns {State} all controls as they are at first */
export function initial() {
  return Object.fromEntries(Object.entries(CONTROLS).map(([name, { start }]) => [name, start]));
}

/** The value of a control that a text stands for; its start where it stands for none. */
export function valid(name, text) {
  const { start, among, least, most, step } = CONTROLS[name];
  if (among) return among.includes(text) ? text : start;
  const value = Number(text);
  if (String(text).trim() === "" || !Number.isFinite(value)) return start;
  const rounded = least + Math.round((value - least) / step) * step;
  return Number(Math.min(most, Math.max(least, rounded)).toFixed(6));
}

/** "#n=100&precision=single" → State; names that are not known are passed over. */
export function fromHash(hash) {
  const state = initial();
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, "")))
    if (name in CONTROLS) state[name] = valid(name, text);
  state.step = Math.min(state.step, state.steps);
  return state;
}

/** State → "#…" with what differs from the start; "#" where nothing does. */
export function toHash(state) {
  const changed = Object.entries(state).filter(([name, value]) => value !== CONTROLS[name].start);
  return "#" + new URLSearchParams(changed.map(([name, value]) => [name, String(value)]));
}
