/**
 * Vectors in double precision, or in single precision simulated by Math.fround after every operation.
 *
 * One operation on singles computed in double and then rounded is the correctly rounded single result: 53 ≥ 2·24 + 2
 * bits make the double rounding innocuous for +, −, ×, ÷ and √ (Figueroa 1995). So this is what a machine with IEEE
 * singles does.
 */

/**
 * @typedef {Object} Arithmetic
 * @property {string} name
 * @property {number} u unit roundoff
 * @property {(x: number) => number} fl the nearest number of this precision
 * @property {(x: Float64Array, y: Float64Array) => number} dot xᵀy
 * @property {(x: Float64Array) => number} norm ‖x‖₂
 * @property {(y: Float64Array, a: number, x: Float64Array) => void} add y ← y + a x
 * @property {(x: Float64Array, a: number) => Float64Array} over x/a
 * @property {(x: Float64Array, y: Float64Array) => Float64Array} minus x − y
 * @property {(A: Matrix, x: Float64Array) => Float64Array} multiply A x
 * @property {(x: Float64Array) => Float64Array} round x in this precision
 *
 * @typedef {{n: number, data: Float64Array}} Matrix n × n, C order
 */

/** @returns {Arithmetic} */
function arithmetic(name, u, fl) {
  const dot = (x, y) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum = fl(sum + fl(x[i] * y[i]));
    return sum;
  };
  return {
    name,
    u,
    fl,
    dot,
    norm: (x) => fl(Math.sqrt(dot(x, x))),
    add: (y, a, x) => {
      for (let i = 0; i < y.length; i++) y[i] = fl(y[i] + fl(a * x[i]));
    },
    over: (x, a) => x.map((xi) => fl(xi / a)),
    minus: (x, y) => x.map((xi, i) => fl(xi - y[i])),
    multiply: ({ n, data }, x) => {
      const y = new Float64Array(n);
      for (let i = 0, at = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < n; j++) sum = fl(sum + fl(data[at++] * x[j]));
        y[i] = sum;
      }
      return y;
    },
    round: (x) => x.map(fl),
  };
}

export const DOUBLE = arithmetic("double", 2 ** -53, (x) => x);
export const SINGLE = arithmetic("single", 2 ** -24, Math.fround);

/** The two by name. @type {Object<string, Arithmetic>} */
export const PRECISIONS = { double: DOUBLE, single: SINGLE };
