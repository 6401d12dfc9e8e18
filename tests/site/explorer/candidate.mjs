/**
 * The modules of the explorer as a candidate of the oracle:
 *
 *     lancbio-ref check --command "node tests/site/explorer/candidate.mjs" --level solve,lanczos
 *
 * solve is a Lanczos process with full reorthogonalization, run until the space is invariant; Cholesky's factorization
 * only says whether A is positive definite. Arrays are scaled by powers of two, so that no square overflows or
 * vanishes.
 */

import { createInterface } from "node:readline";

import { lancbio } from "../../docs/_extra/explorer/js/lancbio.js";
import { lanczos } from "../../docs/_extra/explorer/js/lanczos.js";
import { DOUBLE } from "../../docs/_extra/explorer/js/precision.js";
import { cholesky } from "../../docs/_extra/explorer/js/reference.js";
import { combine } from "../../docs/_extra/explorer/js/reorthogonalization.js";
import { solveDefinite } from "../../docs/_extra/explorer/js/tridiagonal.js";

class Rejection extends Error {}

const matrix = (rows) => ({ n: rows.length, data: Float64Array.from(rows.flat()) });

/** The e with 2^{e−1} ≤ max|a_i| < 2^e; 0 where a is zero. */
function exponent(a) {
  const largest = a.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let [e, x] = [0, largest];
  for (; x >= 1; x /= 2) e++;
  for (; x > 0 && x < 0.5; x *= 2) e--;
  return e;
}

/** a·2^e; in factors that are representable, of which only the last can round. */
function scaled(a, e) {
  let scaledA = Float64Array.from(a);
  for (; Math.abs(e) > 900; e -= Math.sign(e) * 900) scaledA = scaledA.map((x) => x * 2 ** (Math.sign(e) * 900));
  return scaledA.map((x) => x * 2 ** e);
}

function symmetricOrReject({ n, data }) {
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) if (data[i * n + j] !== data[j * n + i]) throw new Rejection("A is not symmetric");
}

function solve({ A: rows, b: list }) {
  const A = matrix(rows);
  symmetricOrReject(A);
  const [s, t] = [exponent(A.data), exponent(list)];
  A.data = scaled(A.data, -s);
  const b = scaled(list, -t);
  if (!cholesky(A)) throw new Rejection("A is not positive definite");
  if (DOUBLE.norm(b) === 0) return { v: list.map(() => 0) };
  const process = lanczos(A, b, A.n, { reorthogonalization: "full" });
  const f = new Float64Array(process.alpha.length);
  f[0] = process.startNorm;
  const { y, info } = solveDefinite(process.alpha, process.beta, f); // T y = ‖b‖e_1
  if (info > 0) throw new Rejection("T is not positive definite");
  const v = scaled(combine(DOUBLE, process.Q, y), t - s);
  if (!v.every(Number.isFinite)) throw new Rejection("v is not representable");
  return { v: Array.from(v) };
}

function lanczosSteps({ A: rows, q1, k }) {
  const A = matrix(rows);
  symmetricOrReject(A);
  const s = exponent(A.data);
  A.data = scaled(A.data, -s);
  const { alpha, beta, Q } = lanczos(A, scaled(q1, -exponent(q1)), k, { reorthogonalization: "full" });
  return {
    alpha: Array.from(scaled(alpha, s)),
    beta: Array.from(scaled(beta, s)),
    Q: q1.map((_, i) => Q.map((q) => q[i])),
    reorthogonalization: "full",
  };
}

function trace({ method, options, v0, iterations, sequence }) {
  if (method !== "lancbio" || !sequence) throw new Rejection("only LancBiO on given matrices");
  const { subspace } = options;
  const schedule =
    typeof subspace === "object" ? subspace : { initial: subspace, growth: 1, every: 1, maximum: subspace };
  const [s, t] = [exponent(sequence.A.flat(2)), exponent(sequence.b.flat())]; // for all k: v scales by 2^{s−t}
  const system = (k) => {
    const { n, data } = matrix(sequence.A[k - 1]);
    return { A: { n, data: scaled(data, -s) }, b: scaled(sequence.b[k - 1], -t) };
  };
  return { rows: lancbio(system, scaled(v0, s - t), iterations, schedule).map((row) => answer(row, sequence, s, t)) };
}

/**
 * A row in the units of the case. `breakdown` is left out: without reorthogonalization the computed β_{j+1} of an
 * invariant space is up to some hundred u‖A‖, and whether the true one is zero cannot be told from it.
 */
function answer({ breakdown, ...row }, { J, c }, s, t) {
  const v = scaled(row.v, t - s);
  const h = c[row.k - 1].map((ci, i) => ci - DOUBLE.dot(J[row.k - 1][i], v)); // h = c − J v
  if (![...v, ...h].every(Number.isFinite)) throw new Rejection("v is not representable");
  const more = row.exact ? {} : { alpha: row.alpha * 2 ** s, beta: row.beta * 2 ** s };
  return { ...row, ...more, v: Array.from(v), dv: Array.from(scaled(row.dv, t - s)), h };
}

const LEVELS = { solve, lanczos: lanczosSteps, trace };

const write = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

write({ protocol: "lancbio-oracle", version: "1", name: "explorer", levels: Object.keys(LEVELS) });
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  try {
    write(LEVELS[question.level](question));
  } catch (problem) {
    write(problem instanceof Rejection ? { reject: problem.message } : { error: String(problem.stack) });
  }
}
