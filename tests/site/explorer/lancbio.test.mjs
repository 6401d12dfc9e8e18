/** LancBiO on matrices that move; the state in the address. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { fading, random } from "../../docs/_extra/explorer/js/drift.js";
import { moving, problemOf } from "../../docs/_extra/explorer/js/experiment.js";
import { lancbio } from "../../docs/_extra/explorer/js/lancbio.js";
import { frobenius, symmetric } from "../../docs/_extra/explorer/js/operator.js";
import { DOUBLE } from "../../docs/_extra/explorer/js/precision.js";
import { lanczosIterates } from "../../docs/_extra/explorer/js/solvers.js";
import { lanczos } from "../../docs/_extra/explorer/js/lanczos.js";
import { CONTROLS, fromHash, initial, toHash, valid } from "../../docs/_extra/explorer/js/state.js";
import { distance } from "./cases.mjs";

const constant = (m) => ({ initial: m, growth: 1, every: 10, maximum: m });
const state = (settings) => ({ ...initial(), ...settings });

test("where nothing moves, LancBiO from 0 is the Lanczos method", () => {
  const { A, b } = problemOf(state({ n: 12, spectrum: "uniform", logKappa: 1 }));
  const rows = lancbio(() => ({ A, b }), new Float64Array(12), 8, constant(8));
  const iterates = lanczosIterates(lanczos(A, b, 8));
  rows.forEach(({ k, v, columns, restarted }) => {
    assert.ok(distance(v, iterates[k]) < 1e-14);
    assert.equal(columns, k);
    assert.equal(restarted, k === 1);
  });
});

test("restarts where k mod m = 1, m growing by the schedule", () => {
  const { A, b } = problemOf(state({ n: 30 }));
  const rows = lancbio(() => ({ A, b }), new Float64Array(30), 14, { initial: 2, growth: 1.5, every: 5, maximum: 4 });
  // m: 2, from k = 4 (4 mod 5 = 4) 3, from k = 9 min(⌈4.5⌉, 4) = 4
  assert.deepEqual(
    rows.map((row) => row.m),
    [2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4],
  );
  // k mod m = 1: 1, 3 | 4, 7 | 9, 13; and nowhere are there more than 4 columns
  assert.deepEqual(
    rows.filter((row) => row.restarted).map((row) => row.k),
    [1, 3, 4, 7, 9, 13],
  );
});

test("the example of an indefinite T: A_1 = [[2, 1.9], [1.9, 2]], A_2 = [[2, 0.05], [0.05, 0.1]]", () => {
  const matrices = [
    [
      [2, 1.9],
      [1.9, 2],
    ],
    [
      [2, 0.05],
      [0.05, 0.1],
    ],
  ].map((rows) => symmetric(2, (i, j) => rows[i][j]));
  const rows = lancbio((k) => ({ A: matrices[k - 1], b: Float64Array.of(1, 0) }), new Float64Array(2), 2, constant(2));
  assert.deepEqual(
    rows.map((row) => row.indefinite),
    [false, true],
  );
  // T = [[2, 1.9], [1.9, 0.1]], Q = I: v_2 = T⁻¹e_1
  const det = 2 * 0.1 - 1.9 ** 2;
  assert.ok(distance(rows[1].v, [0.1 / det, -1.9 / det]) < 1e-15);
});

test("a restart also where there are as many columns as m may be", () => {
  const { A, b } = problemOf(state({ n: 30 }));
  const rows = lancbio(() => ({ A, b }), new Float64Array(30), 12, { initial: 3, growth: 1.2, every: 5, maximum: 5 });
  // m: 3, from k = 4 4, from k = 9 5; k mod m = 1 at 1, 5 and 11; five columns after k = 9
  assert.deepEqual(
    rows.filter((row) => row.restarted).map((row) => row.k),
    [1, 5, 10, 11],
  );
});

test("a singular T keeps v and restarts", () => {
  const [A1, A2] = [
    [[1], [1, 2], [0, 0, 1]],
    [[1], [1, 1], [0, 1, 5]],
  ].map((rows) => symmetric(3, (i, j) => rows[i][j]));
  const rows = lancbio(
    (k) => ({ A: k === 2 ? A2 : A1, b: Float64Array.of(1, 0, 0) }),
    new Float64Array(3),
    3,
    constant(3),
  );
  assert.deepEqual(
    rows.map((row) => [row.singular, row.restarted, row.columns]),
    [
      [false, true, 1],
      [true, false, 2], // T = [[1, 1], [1, 1]]
      [false, true, 1],
    ],
  );
  assert.deepEqual(Array.from(rows[1].v), Array.from(rows[0].v));
});

test("b = w keeps v̄ and restarts; a breakdown restarts", () => {
  const A = symmetric(3, (i, j) => (i === j ? 2 : 0));
  const exact = lancbio(() => ({ A, b: Float64Array.of(2, 4, 6) }), Float64Array.of(1, 2, 3), 2, constant(3));
  assert.deepEqual(
    exact.map((row) => [row.exact, row.restarted, row.columns]),
    [
      [true, true, 0],
      [true, true, 0],
    ],
  );
  const [first, second] = lancbio(() => ({ A, b: Float64Array.of(1, 0, 0) }), new Float64Array(3), 2, constant(3));
  assert.equal(first.breakdown, true);
  assert.deepEqual(Array.from(first.v), [0.5, 0, 0]);
  assert.equal(second.restarted, true);
});

test("the drifts: A_k − A_0 = ktE with ‖E‖_F = 1; what fades is gone at kt = 1", () => {
  const { A, b } = problemOf(state({ n: 10 }));
  const E = random(A, b, 0.25, 3)(4).A.data.map((a, i) => a - A.data[i]);
  assert.ok(Math.abs(DOUBLE.norm(E) - 1) < 1e-14);
  assert.ok(E.every((e, at) => Math.abs(e - E[(at % 10) * 10 + Math.floor(at / 10)]) < 1e-15));
  const system = fading(A, b, 0.25, 3);
  assert.deepEqual(system(4).A.data, A.data);
  assert.deepEqual(system(9).A.data, A.data);
  const difference = { n: 10, data: system(2).A.data.map((a, i) => a - A.data[i]) };
  assert.ok(Math.abs(frobenius(difference) - 0.5) < 1e-14); // ½ggᵀ
});

test("the smaller the drift, the smaller the error that LancBiO keeps", () => {
  const last = (logDrift) => {
    const settings = state({ spectrum: "uniform", logKappa: 1, n: 40, steps: 60, logDrift });
    return moving(problemOf(settings), settings).error.at(-1);
  };
  const errors = [-1.5, -3, -5].map(last);
  assert.ok(errors[0] > 10 * errors[1] && errors[1] > 10 * errors[2], errors.join(" "));
});

test("a T that is indefinite though all A_k are definite", () => {
  const settings = state({ direction: "fading", spectrum: "geometric", n: 20, logDrift: -1, seed: 2, steps: 60 });
  const { rows, error } = moving(problemOf(settings), settings);
  assert.ok(rows.some((row) => row.indefinite));
  assert.ok(error.every(Number.isFinite)); // every A_k has a Cholesky factor
});

test("the address keeps the state, and nothing in it is trusted", () => {
  const changed = state({ n: 100, precision: "single", logDrift: -4.5, step: 12 });
  assert.deepEqual(fromHash(toHash(changed)), changed);
  assert.equal(toHash(initial()), "#");
  assert.deepEqual(fromHash("#nonsense=1&n=abc&spectrum=magic&__proto__=1"), initial());
  assert.equal(fromHash("#n=100000").n, 200);
  assert.equal(fromHash("#steps=10&step=99").step, 10);
  assert.equal(valid("rho", "0.835"), 0.84);
  for (const [name, { start }] of Object.entries(CONTROLS)) assert.equal(valid(name, String(start)), start, name);
});
