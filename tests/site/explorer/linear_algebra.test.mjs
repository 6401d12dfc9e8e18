/** Generators, spectra, arithmetic, matrices, reference solutions. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  energyNorm,
  frobenius,
  norm1,
  reflect,
  reflected,
  symmetric,
  unitVector,
} from "../../docs/_extra/explorer/js/operator.js";
import { DOUBLE, SINGLE } from "../../docs/_extra/explorer/js/precision.js";
import { normalVector, uniform } from "../../docs/_extra/explorer/js/random.js";
import { cholesky, choleskySolve, errorOf, exactSolution } from "../../docs/_extra/explorer/js/reference.js";
import { SPECTRA } from "../../docs/_extra/explorer/js/spectra.js";
import { hilbert } from "./cases.mjs";

test("the same seed draws the same numbers, another seed others, all in [0, 1)", () => {
  const draws = (seed) => Array.from({ length: 1000 }, uniform(seed));
  assert.deepEqual(draws(7), draws(7));
  assert.notDeepEqual(draws(7), draws(8));
  assert.ok(draws(7).every((x) => x >= 0 && x < 1));
});

test("normal numbers have mean 0, variance 1 and fourth moment 3", () => {
  const x = normalVector(40000, 3);
  const moment = (p) => x.reduce((sum, xi) => sum + xi ** p, 0) / x.length;
  assert.ok(Math.abs(moment(1)) < 0.02);
  assert.ok(Math.abs(moment(2) - 1) < 0.03);
  assert.ok(Math.abs(moment(4) - 3) < 0.2);
});

test("every spectrum ascends from 1/κ to 1", () => {
  for (const [name, spectrum] of Object.entries(SPECTRA))
    for (const n of [4, 7, 48, 200]) {
      const lambda = spectrum(n, 1e4, 0.8);
      assert.equal(lambda.length, n);
      assert.ok(Math.abs(lambda[0] * 1e4 - 1) < 1e-12 && Math.abs(lambda[n - 1] - 1) < 1e-15, `${name} ${n}`);
      assert.ok(
        lambda.every((l, i) => i === 0 || l >= lambda[i - 1]),
        `${name} ${n}`,
      );
    }
});

test("spectra by their formulas", () => {
  assert.ok(Math.abs(SPECTRA.geometric(5, 16, 0)[1] - 1 / 8) < 1e-15);
  assert.ok(Math.abs(SPECTRA.uniform(5, 5, 0)[1] - 0.4) < 1e-15);
  assert.ok(Math.abs(SPECTRA.strakos(3, 10, 0.5)[1] - (0.1 + 0.5 * 0.9 * 0.5)) < 1e-15);
  const clusters = new Set(Array.from(SPECTRA.clustered(40, 1e3, 0), (l) => Math.round(Math.log(l) * 1e4)));
  assert.equal(clusters.size, 5);
});

test("single precision rounds after every operation", () => {
  const f = Math.fround;
  const draw = uniform(11);
  for (let trial = 0; trial < 500; trial++) {
    const [p, q, r, s, a] = Array.from({ length: 5 }, () => f(draw()));
    const [x, y] = [Float64Array.of(p, q), Float64Array.of(r, s)];
    const dot = f(f(p * r) + f(q * s));
    assert.equal(SINGLE.dot(x, y), dot);
    assert.equal(SINGLE.norm(x), f(Math.sqrt(f(f(p * p) + f(q * q)))));
    assert.deepEqual(Array.from(SINGLE.multiply({ n: 2, data: Float64Array.of(p, q, q, p) }, y))[0], dot);
    assert.deepEqual(Array.from(SINGLE.over(x, a)), [f(p / a), f(q / a)]);
    assert.deepEqual(Array.from(SINGLE.minus(x, y)), [f(p - r), f(q - s)]);
    SINGLE.add(y, a, x);
    assert.deepEqual(Array.from(y), [f(r + f(a * p)), f(s + f(a * q))]);
  }
});

test("A = HΛH has the eigenvectors H e_i", () => {
  const lambda = SPECTRA.geometric(9, 100, 0);
  const w = unitVector(9, 5);
  const A = reflected(lambda, w);
  for (let i = 0; i < 9; i++) {
    const q = reflect(
      w,
      Float64Array.from({ length: 9 }, (_, j) => (i === j ? 1 : 0)),
    );
    const Aq = DOUBLE.multiply(A, q);
    assert.ok(Aq.every((a, j) => Math.abs(a - lambda[i] * q[j]) < 1e-15));
  }
  assert.ok(Math.abs(frobenius(A) - DOUBLE.norm(lambda)) < 1e-15);
});

test("norms of a small matrix", () => {
  const A = symmetric(
    2,
    (i, j) =>
      [
        [3, 0],
        [-4, 5],
      ][i][j],
  );
  assert.equal(norm1(A), 9);
  assert.equal(energyNorm(A, Float64Array.of(1, 1)), 0); // xᵀA x = 3 − 8 + 5
  assert.equal(energyNorm(A, Float64Array.of(1, 0)), Math.sqrt(3));
});

test("Cholesky's factor, and its refusal", () => {
  const L = cholesky(
    symmetric(
      2,
      (i, j) =>
        [
          [4, 0],
          [2, 10],
        ][i][j],
    ),
  );
  assert.deepEqual([L.data[0], L.data[2], L.data[3]], [2, 1, 3]);
  assert.deepEqual(Array.from(choleskySolve(L, Float64Array.of(6, 12))), [1, 1]);
  assert.equal(
    cholesky(
      symmetric(
        2,
        (i, j) =>
          [
            [1, 0],
            [2, 1],
          ][i][j],
      ),
    ),
    null,
  );
  assert.equal(cholesky(symmetric(2, () => 1)), null);
});

test("the reference is right to far more than double precision", () => {
  // a multiple of the Hilbert matrix with integer entries, so that b = A x, x = (1, −1, 1, …), is exact
  const n = 6; // κ = 1.5e7
  const { A, times } = hilbert(n);
  const x = Float64Array.from({ length: n }, (_, i) => (-1) ** i);
  const b = times(x);
  const found = exactSolution(A, b);
  assert.ok(DOUBLE.norm(errorOf(found, x)) < 1e-22); // Cholesky alone: 1e-10
  assert.ok(DOUBLE.norm(DOUBLE.minus(choleskySolve(cholesky(A), b), x)) > 1e-13);
});
