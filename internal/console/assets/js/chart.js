// Charts of the last minutes: lines over time, with the changes of the lead marked, and one cross hair for all.

import { clock, duration } from "./format.js";
import { el, svg, text } from "./dom.js";

const pad = { left: 52, right: 6, top: 12, bottom: 20 };
const gap = 3500; // milliseconds without a point: the line is broken

/** What all charts show: how many seconds up to when, the marks, and where the cross hair is. */
export const view = { seconds: 300, end: Date.now(), events: [], cross: null };

const charts = new Set();
export function drawAll() {
  for (const c of charts) c.draw();
}

/** Round steps for an axis from 0 to at least the highest value: of bytes, powers of two. */
function linear(highest, least, binary) {
  const top = Math.max(highest, least);
  const raw = top / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = binary ? 2 ** Math.ceil(Math.log2(raw)) : [1, 2, 2.5, 5, 10].find((m) => m * power >= raw) * power;
  const ticks = [];
  for (let t = 0; t < top + step * 0.999; t += step) ticks.push(t);
  return ticks;
}

/** Powers of ten around all values. */
function logarithmic(lowest, highest) {
  const from = Math.floor(Math.log10(lowest));
  const to = Math.max(Math.ceil(Math.log10(highest)), from + 2);
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

export class Chart {
  points = [];

  /**
   * series: [{ key, label, color, area, dashed }]; format writes a value; log asks for a logarithmic axis, from which
   * values of 0 are missing; least is the least height of a linear axis, binary one of bytes.
   */
  constructor(figure, { title, series, format, log = false, least = 1, binary = false }) {
    Object.assign(this, { title, series, format, log, least, binary });
    this.values = series.map(() => el("b", {}, "–"));
    const legend = series.map((s, i) => el("span", { class: `${s.color}-c` }, el("i", { class: s.dashed ? "dashed" : "" }), `${s.label} `, this.values[i]));
    this.when = el("span", { class: "muted" });
    this.svg = svg("svg", { class: "chart", role: "img", "aria-label": title });
    figure.append(el("figcaption", {}, el("b", {}, title), this.when, el("span", { class: "legend" }, ...legend)), this.svg);
    this.grid = svg("g");
    this.marks = svg("g");
    this.areas = series.map((s) => (s.area ? svg("path", { class: `area ${s.color}-c` }) : null));
    this.lines = series.map((s) => svg("path", { class: `line ${s.color}-c ${s.dashed ? "dashed" : ""}` }));
    this.cross = svg("line", { class: "cross", visibility: "hidden" });
    this.svg.append(this.grid, ...this.areas.filter(Boolean), ...this.lines, this.marks, this.cross);
    this.svg.addEventListener("pointermove", (e) => this.#hover(e));
    this.svg.addEventListener("pointerleave", () => {
      view.cross = null;
      drawAll();
    });
    new ResizeObserver(() => this.draw()).observe(this.svg);
    charts.add(this);
  }

  #hover(e) {
    const x = e.clientX - this.svg.getBoundingClientRect().left;
    const share = (x - pad.left) / (this.width - pad.left - pad.right);
    view.cross = share < 0 || share > 1 ? null : view.end - (1 - share) * view.seconds * 1000;
    drawAll();
  }

  draw() {
    this.width = this.svg.clientWidth;
    this.height = this.svg.clientHeight;
    if (!this.width) return; // it is not shown
    const start = view.end - view.seconds * 1000;
    const shown = this.points.filter((p) => p.t >= start - gap && p.t <= view.end);
    const x = (t) => pad.left + ((t - start) / (view.end - start)) * (this.width - pad.left - pad.right);
    const [ticks, y] = this.#axis(shown);
    this.#drawGrid(ticks, y, start, x);
    this.series.forEach((s, i) => this.#drawLine(s, i, shown, x, y));
    this.#drawMarks(start, x);
    this.#drawCross(shown, x);
    this.#describe(shown);
  }

  #axis(shown) {
    const bottom = this.height - pad.bottom;
    const scale = (from, to, f = (v) => v) => (v) => bottom - ((f(v) - f(from)) / (f(to) - f(from))) * (bottom - pad.top);
    const values = this.series.flatMap((s) => shown.map((p) => p[s.key]));
    if (!this.log) {
      const ticks = linear(Math.max(0, ...values), this.least, this.binary);
      return [ticks, scale(0, ticks.at(-1))];
    }
    const positive = values.filter((v) => v > 0);
    const ticks = positive.length ? logarithmic(Math.min(...positive), Math.max(...positive)) : logarithmic(10, 1000);
    return [ticks, scale(ticks[0], ticks.at(-1), Math.log10)];
  }

  #drawGrid(ticks, y, start, x) {
    const lines = ticks.flatMap((v) => [
      svg("line", { class: "gridline", x1: pad.left, x2: this.width - pad.right, y1: Math.round(y(v)), y2: Math.round(y(v)) }),
      svg("text", { x: pad.left - 8, y: y(v) + 3.5, "text-anchor": "end" }, v === 0 ? "0" : this.format(v).replace(/\.0+(?!\d)/, "")),
    ]);
    const step = (view.seconds / 4) * 1000 * (this.width < 420 ? 5 / 3 : 1);
    for (let t = view.end - step / 2; t > start + step / 4; t -= step) {
      lines.push(svg("text", { x: x(t), y: this.height - 5, "text-anchor": "middle" }, clock(t)));
    }
    this.grid.replaceChildren(...lines);
  }

  #drawLine(s, i, shown, x, y) {
    let line = "";
    let area = "";
    let first = null;
    let last = null;
    const close = () => {
      if (first && last) area += `L${x(last.t).toFixed(1)} ${y(0)}L${x(first.t).toFixed(1)} ${y(0)}Z`;
      first = null;
    };
    for (const p of shown) {
      if (this.log && !(p[s.key] > 0)) continue;
      const at = `${x(p.t).toFixed(1)} ${y(p[s.key]).toFixed(1)}`;
      if (!last || p.t - last.t > gap) {
        if (s.area) close();
        first = p;
        line += `M${at}`;
        area += `M${at}`;
      } else {
        line += `L${at}`;
        area += `L${at}`;
      }
      last = p;
    }
    if (s.area) {
      close();
      this.areas[i].setAttribute("d", area);
    }
    this.lines[i].setAttribute("d", line);
  }

  #drawMarks(start, x) {
    const marks = [];
    let taken = Infinity; // where the text of the mark to the right begins
    for (const e of view.events.filter((e) => e.t > start && e.t <= view.end).toReversed()) {
      const at = x(e.t);
      marks.push(svg("line", { class: "mark", x1: at, x2: at, y1: pad.top, y2: this.height - pad.bottom }));
      const words = e.leader ? `node ${e.leader} leads` : "no leader";
      const wide = 6.5 * words.length;
      const left = at + wide > this.width - pad.right;
      const from = left ? at - 4 - wide : at + 4;
      if (from + wide > taken || from < pad.left) continue; // the list has it
      taken = Math.min(from, at);
      marks.push(svg("text", { class: "mark-text", x: at + (left ? -4 : 4), y: pad.top + 8, "text-anchor": left ? "end" : "start" }, words));
    }
    this.marks.replaceChildren(...marks);
  }

  #drawCross(shown, x) {
    const p = view.cross == null ? shown.at(-1) : shown.reduce((a, b) => (!a || Math.abs(b.t - view.cross) < Math.abs(a.t - view.cross) ? b : a), null);
    this.series.forEach((s, i) => text(this.values[i], p && !(this.log && !(p[s.key] > 0)) ? this.format(p[s.key]) : "–"));
    const on = view.cross != null && p != null;
    text(this.when, on ? clock(p.t) : "");
    this.cross.setAttribute("visibility", on ? "visible" : "hidden");
    if (!on) return;
    const at = x(p.t);
    for (const [k, v] of Object.entries({ x1: at, x2: at, y1: pad.top, y2: this.height - pad.bottom })) this.cross.setAttribute(k, v);
  }

  #describe(shown) {
    const last = shown.at(-1);
    if (!last) return;
    const parts = this.series.map((s) => `${s.label} ${this.format(last[s.key])}, at most ${this.format(Math.max(...shown.map((p) => p[s.key])))}`);
    this.svg.setAttribute("aria-label", `${this.title}, last ${duration(Math.round(view.seconds))}. Now: ${parts.join("; ")}.`);
  }
}
