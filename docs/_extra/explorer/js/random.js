/** A seeded generator, so that an address (its hash) always shows the same numbers. */

/**
 * xoshiro128** (Blackman and Vigna, 2018), its four words filled from the seed by a Weyl sequence and a mixing
 * function.
 * @param {number} seed an integer
 * @returns {() => number} uniform in [0, 1), multiples of 2⁻⁵³
 */
export function uniform(seed) {
  let weyl = seed >>> 0;
  const word = () => {
    weyl = (weyl + 0x9e3779b9) >>> 0;
    let z = weyl;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [word(), word(), word(), word()];
  const rotate = (x, r) => (x << r) | (x >>> (32 - r));
  const next = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/**
 * Standard normal numbers (Box and Muller, 1958).
 * @param {number} seed
 * @returns {() => number}
 */
export function normal(seed) {
  const draw = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

/**
 * @param {number} n
 * @param {number} seed
 * @returns {Float64Array} n standard normal numbers
 */
export function normalVector(n, seed) {
  const draw = normal(seed);
  return Float64Array.from({ length: n }, draw);
}
