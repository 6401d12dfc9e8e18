/** Controls → state → results → views. Only what a change touches is computed again. */

import * as experiment from "./experiment.js";
import { CONTROLS, fromHash, toHash, valid } from "./state.js";
import { fill, number } from "./tables.js";
import { VIEWS } from "./views.js";

const controls = document.forms.controls.elements;
const element = (id) => document.getElementById(id);
const ONLY_DRAWN = ["step", "axis"]; // what changes no number
const MOVING = ["direction", "logDrift", "initial", "growth", "every", "maximum"]; // what changes LancBiO alone

let state = fromHash(location.hash);
/** @type {import("./views.js").Results} */
let results;

/** Everything but LancBiO, which has matrices of its own. */
function compute() {
  const problem = experiment.problemOf(state);
  const process = experiment.processOf(problem, state);
  results = {
    problem,
    process,
    convergence: experiment.convergence(problem, process, state),
    ritz: experiment.ritzOf(problem, process),
    loss: experiment.lossOf(process),
  };
}

function computeMoving() {
  results.moving = experiment.moving(results.problem, state);
}

function show() {
  for (const [name, view] of Object.entries(VIEWS)) {
    view.draw(element(`chart-${name}`), results, state);
    const details = element(`table-${name}`).closest("details");
    if (details.open) fill(element(`table-${name}`), ...view.table(results, state));
  }
  const words = Object.values(VIEWS)
    .map((view) => view.words(results, state))
    .filter(Boolean);
  element("readout").textContent = [`Step ${state.step} of ${state.steps}. ${words[0]}`, ...words.slice(1)].join("\n");
}

/** State → controls, with what depends on another control, and the outputs beside the sliders. */
function showControls() {
  for (const name of Object.keys(CONTROLS)) {
    const control = controls[name];
    if (control !== document.activeElement || control.type !== "number") control.value = state[name];
  }
  controls.step.max = state.steps;
  controls.rho.disabled = state.spectrum !== "strakos";
  const outputs = {
    n: state.n,
    logKappa: number(10 ** state.logKappa, 2),
    rho: state.rho.toFixed(2),
    mu: `${state.mu.toFixed(2)} λ₁`,
    delay: state.delay,
    logDrift: number(10 ** state.logDrift, 2),
    growth: state.growth.toFixed(1),
    steps: state.steps,
    step: `${state.step} of ${state.steps}`,
  };
  for (const [name, text] of Object.entries(outputs)) element(`${name}-output`).textContent = text;
}

let waiting = 0;
/** Compute and draw in the next frame; of several changes in one frame the last counts. */
function refresh(changed) {
  showControls();
  history.replaceState(null, "", toHash(state));
  if (!changed.every((name) => ONLY_DRAWN.includes(name) || MOVING.includes(name))) pending.all = true;
  if (!changed.every((name) => ONLY_DRAWN.includes(name))) pending.moving = true;
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    if (pending.all) compute();
    if (pending.moving) computeMoving();
    Object.assign(pending, { all: false, moving: false });
    show();
  });
}
const pending = { all: true, moving: true };

function change(name, text) {
  state[name] = valid(name, text);
  state.step = Math.min(state.step, state.steps);
  refresh([name]);
}

document.addEventListener("input", ({ target }) => {
  if (target.name in CONTROLS) change(target.name, target.value);
});
document.forms.controls.addEventListener("change", showControls); // what was clamped is shown
document.forms.controls.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", () => {
  if (location.hash && !location.hash.includes("=")) return; // the link to the charts
  state = fromHash(location.hash);
  refresh(["n"]);
});
for (const name of Object.keys(VIEWS)) element(`table-${name}`).closest("details").addEventListener("toggle", show);
let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (results && contentRect.width !== width) show();
  width = contentRect.width;
}).observe(element("views"));
element("settings").open = innerWidth >= 700; // the charts come first where there is little room

// -- walking through the steps --------------------------------------------------------------

const still = matchMedia("(prefers-reduced-motion: reduce)");
let timer = 0;

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => (state.step < state.steps ? change("step", state.step + 1) : play(false)), 150) : 0;
  element("play").textContent = on ? "Pause" : "Play";
  element("readout").setAttribute("aria-live", on ? "off" : "polite"); // nobody wants seven sentences a second
}
element("play").addEventListener("click", () => {
  if (!timer && state.step >= state.steps) change("step", 0);
  play(!timer);
});
const showPlay = () => {
  element("play").hidden = still.matches; // who wants no motion walks with the slider
  if (still.matches) play(false);
};
still.addEventListener("change", showPlay);
showPlay();

// -- light and dark -------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

function showTheme() {
  element("theme").textContent = theme() === "dark" ? "Light" : "Dark";
  if (results) show(); // the heat map has its colours in pixels
}
element("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  showTheme();
});
dark.addEventListener("change", showTheme);

element("loading").hidden = true;
refresh(["n"]);
showTheme();
