/** Charts in SVG. Colours, widths and dashes are the style sheet's, by class; here are positions only. */

const NS = "http://www.w3.org/2000/svg";

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * A scale: position of a value. `log` scales map values ≤ 0 to NaN, which is not drawn.
 * @param {{from: number, to: number, log?: boolean, at: number, end: number}} axis
 */
export function scale({ from, to, log = false, at, end }) {
  const f = log ? Math.log10 : (x) => x;
  const slope = (end - at) / (f(to) - f(from) || 1);
  return (x) => (log && !(x > 0) ? NaN : at + slope * (f(x) - f(from)));
}

/** Round numbers in [from, to], some `about` of them; powers of ten on a log axis. */
export function ticks(from, to, log, about = 6) {
  const list = [];
  if (log) {
    const [low, high] = [Math.ceil(Math.log10(from) - 1e-9), Math.floor(Math.log10(to) + 1e-9)];
    const step = Math.max(1, Math.ceil((high - low) / about));
    for (let e = high; e >= low; e -= step) list.push(10 ** e);
    return list.reverse();
  }
  const rough = (to - from) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; i++) list.push(i * step);
  return list;
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** 10⁻⁵ on a log axis, 0.2 on another. */
function label(value, log) {
  if (!log) return String(Number(value.toPrecision(6)));
  return value === 1 ? "1" : "10" + Array.from(String(Math.round(Math.log10(value))), (c) => SUPERSCRIPT[c]).join("");
}

/**
 * Axes with grid lines, ready to be drawn into.
 * @param {HTMLElement} host emptied; its width is the chart's
 * @param {{height: number, label: string, x: Axis, y: Axis, square?: boolean, right?: number}} options label is read
 *   out in place of the picture; square: as wide as high, y downwards; right: where the plot ends at most
 * @typedef {{from: number, to: number, log?: boolean, title: string}} Axis
 * @returns {{root: SVGElement, plot: SVGElement, x: (v: number) => number, y: (v: number) => number, box: object}}
 *   plot is clipped to the axes
 */
export function frame(host, { height, label: text, x: xAxis, y: yAxis, square = false, right }) {
  const width = Math.max(240, host.clientWidth);
  const box = { left: 46, right: right ?? width - 10, top: 20, bottom: height - 34 };
  if (square) {
    const side = Math.min(box.right - box.left, box.bottom - box.top);
    Object.assign(box, { right: box.left + side, bottom: box.top + side });
  }
  const x = scale({ ...xAxis, at: box.left, end: box.right });
  const y = scale({ ...yAxis, at: square ? box.top : box.bottom, end: square ? box.bottom : box.top });
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text });
  for (const t of ticks(yAxis.from, yAxis.to, yAxis.log)) {
    root.append(
      svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(t), y2: y(t) }),
      svg("text", { class: "tick", x: box.left - 6, y: y(t) + 4, "text-anchor": "end" }, label(t, yAxis.log)),
    );
  }
  for (const t of ticks(xAxis.from, xAxis.to, xAxis.log, width < 420 ? 5 : 8))
    root.append(
      svg("text", { class: "tick", x: x(t), y: box.bottom + 16, "text-anchor": "middle" }, label(t, xAxis.log)),
    );
  root.append(
    svg("text", { class: "axis-title", x: box.right, y: box.bottom + 31, "text-anchor": "end" }, xAxis.title),
  );
  root.append(svg("text", { class: "axis-title", x: 2, y: 11 }, yAxis.title));
  const clip = `clip-${host.id}`;
  root.append(
    svg(
      "clipPath",
      { id: clip },
      svg("rect", {
        x: box.left - 1,
        y: box.top - 1,
        width: box.right - box.left + 2,
        height: box.bottom - box.top + 2,
      }),
    ),
  );
  const plot = svg("g", { "clip-path": `url(#${clip})` });
  root.append(plot, svg("path", { class: "axis", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
  host.replaceChildren(root);
  return { root, plot, x, y, box };
}

/**
 * A polyline with a gap where a value cannot be drawn.
 * @param {{x: Function, y: Function}} chart
 * @param {ArrayLike<number>} values at first, first + 1, …
 */
export function line({ x, y }, values, name, first = 0) {
  let d = "";
  let pen = "M";
  Array.from(values).forEach((value, i) => {
    const at = y(value);
    if (Number.isFinite(at)) d += `${pen}${x(first + i).toFixed(1)} ${at.toFixed(1)}`;
    pen = Number.isFinite(at) ? "L" : "M";
  });
  return svg("path", { class: `line ${name}`, d });
}

const SHAPES = {
  dot: () => "h0", // a round cap makes a dot of it
  bar: (r) => `m${-r} 0h${2 * r}`,
  cross: (r) => `m${-r} ${-r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`,
  triangle: (r) => `m0 ${-r}l${r} ${1.8 * r}h${-2 * r}z`,
  square: (r) => `m${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
};

/**
 * Marks of one kind as one path.
 * @param {Array<[number, number]>} points in pixels
 * @param {"dot"|"bar"|"cross"|"triangle"|"square"} shape
 */
export function marks(points, shape, name, radius = 3) {
  const d = points.map(([px, py]) => `M${px.toFixed(1)} ${py.toFixed(1)}${SHAPES[shape](radius)}`).join("");
  return svg("path", { class: `marks ${shape} ${name}`, d });
}

/** The vertical line at a step. */
export function cursor({ x, box }, step) {
  return svg("line", { class: "cursor", x1: x(step), x2: x(step), y1: box.top, y2: box.bottom });
}

/**
 * A picture of k × k cells.
 * @param {number} k
 * @param {(i: number, j: number) => [number, number, number]} colour red, green, blue, 0 … 255
 */
export function cells({ box }, k, colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = k;
  const context = canvas.getContext("2d");
  const image = context.createImageData(k, k);
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) image.data.set([...colour(i, j), 255], 4 * (i * k + j));
  context.putImageData(image, 0, 0);
  const side = box.right - box.left;
  return svg("image", { href: canvas.toDataURL(), x: box.left, y: box.top, width: side, height: side, class: "cells" });
}
