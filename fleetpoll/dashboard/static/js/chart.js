/** One chart: uPlot for the drawing, a legend of buttons, a reading for the keyboard, and a sentence for screen readers. */

import { announce, h, say } from "./dom.js";
import { clock, NONE, tick } from "./format.js";
import { extent, stacked } from "./series.js";

const HEIGHT = 190;
const FONT = '11px Inter, ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif';

/** Colours are set in the style sheet; canvas wants them worked out. */
function resolved(expression) {
  const probe = h("i", { hidden: true });
  probe.style.color = expression;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/**
 * `spec`: {title, note, unit, format, stack, series: [{name, label, colour, dash, fill, off}]}, colours being custom
 * properties.
 */
export class Chart {
  constructor(spec) {
    this.spec = spec;
    this.shown = spec.series.map((one) => !one.off);
    this.data = [[], ...spec.series.map(() => [])];
    this.window = [0, 1];
    this.plot = null;
    this.index = null;
    this.#build();
  }

  #build() {
    const { title, note, series } = this.spec;
    this.values = series.map(() => h("span", { class: "legend-value" }, NONE));
    this.buttons = series.map((one, n) => this.#legend(one, n));
    this.when = h("span", { class: "when muted" });
    this.summary = h("p", { class: "sr-only" });
    this.canvas = h("div", {
      class: "plot",
      tabindex: "0",
      role: "group",
      "aria-label": `${title} over time: left and right arrow keys read values`,
      onkeydown: (event) => this.#step(event),
      onblur: () => this.#point(null),
    });
    this.empty = h("p", { class: "plot-empty muted", hidden: true }, "No figures yet: workers note some every 10 s.");
    this.element = h(
      "figure",
      { class: "panel chart" },
      h("figcaption", {}, h("h3", {}, title), h("span", { class: "muted note" }, note), this.when),
      h("div", { class: "plot-frame" }, this.canvas, this.empty),
      h("div", { class: "legend", role: "group", "aria-label": `Series of ${title}` }, this.buttons),
      this.summary,
    );
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
  }

  #legend(one, n) {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true", "data-dash": one.dash ? "yes" : null });
    swatch.style.setProperty("--series", `var(${one.colour})`);
    const press = () => this.#toggle(n);
    const state = this.shown[n] ? "true" : "false";
    return h("button", { type: "button", "aria-pressed": state, onclick: press }, swatch, one.label, " ", this.values[n]);
  }

  #toggle(n) {
    this.shown[n] = !this.shown[n];
    this.buttons[n].setAttribute("aria-pressed", String(this.shown[n]));
    this.#feed();
  }

  /** Show these columns (the first is time) within a window of time. */
  set(columns, window) {
    this.data = columns;
    this.window = window;
    const blank = !columns.slice(1).some((values) => values.some((value) => value !== null));
    this.empty.hidden = !blank;
    if (!this.plot) this.#draw();
    else this.#feed();
  }

  /** Draw anew, with the colours of the theme that is on. */
  restyle() {
    this.plot?.destroy();
    this.plot = null;
    this.#draw();
  }

  #draw() {
    const width = this.canvas.clientWidth;
    if (!width) return; // not shown yet; ResizeObserver calls again
    this.plot = new window.uPlot(this.#options(width), this.#drawn(), this.canvas);
    this.#feed();
  }

  /** What is given to uPlot: hidden series are empty, stacked ones lie on each other, the topmost first. */
  #drawn() {
    const [at, ...columns] = this.data;
    const nothing = at.map(() => null);
    const visible = columns.map((values, n) => (this.shown[n] ? values : nothing));
    const lines = this.spec.stack ? stacked(visible).map((values, n) => (this.shown[n] ? values : nothing)) : visible;
    return [at, ...(this.spec.stack ? lines.reverse() : lines)];
  }

  #options(width) {
    const series = this.spec.series.map((one) => this.#line(one));
    const [text, grid] = [resolved("var(--muted)"), resolved("var(--grid)")];
    const axis = { stroke: text, font: FONT, ticks: { show: false }, grid: { stroke: grid, width: 1 } };
    const short = (values) => values.map((value) => this.spec.format(value));
    return {
      width,
      height: HEIGHT,
      padding: [10, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "fleet" }, points: { size: 6 } },
      scales: { x: { time: true, range: () => this.window }, y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, space: 64, size: 26, grid: { show: false }, values: (_plot, moments, _axis, _room, step) => moments.map((at) => tick(at, step)) },
        { ...axis, space: 36, size: 52, values: (_plot, values) => short(values) },
      ],
      series: [{}, ...(this.spec.stack ? series.reverse() : series)],
      hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)] },
    };
  }

  #line({ colour, dash, fill, width = 1.5 }) {
    const opaque = `color-mix(in srgb, var(${colour}) 55%, var(--surface))`;
    const faint = `color-mix(in srgb, var(${colour}) 16%, transparent)`;
    const area = this.spec.stack ? opaque : fill ? faint : null;
    return {
      stroke: resolved(`var(${colour})`),
      width: this.spec.stack ? 1 : width,
      dash: dash ? [5, 4] : undefined,
      fill: area ? resolved(area) : undefined,
      points: { show: false },
      spanGaps: false,
    };
  }

  #feed() {
    this.plot?.setData(this.#drawn());
    this.#read(this.plot?.cursor.idx ?? null);
    say(this.summary, this.#words());
  }

  #resize() {
    const width = this.canvas.clientWidth;
    if (!this.plot) this.#draw();
    else if (width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** The legend says what is under the cursor, or else what was last. */
  #read(index) {
    const [at, ...columns] = this.data;
    const row = index ?? at.length - 1;
    columns.forEach((values, n) => say(this.values[n], this.#format(values[row])));
    say(this.when, index === null || index === undefined ? "" : clock(at[row]));
  }

  #format(value) {
    return value === null || value === undefined ? NONE : this.spec.format(value, true);
  }

  #step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.#point(null);
    if (!by || !this.data[0].length) return;
    event.preventDefault();
    const last = this.data[0].length - 1;
    this.#point(Math.min(last, Math.max(0, (this.index ?? last + (by < 0 ? 1 : 0)) + by)));
  }

  #point(index) {
    this.index = index;
    if (!this.plot) return;
    const left = index === null ? -10 : this.plot.valToPos(this.data[0][index], "x");
    this.plot.setCursor({ left, top: 10 });
    if (index !== null) announce(`${clock(this.data[0][index])}: ${this.#reading(index)}`);
  }

  #reading(index) {
    const parts = this.spec.series.map((one, n) => this.shown[n] && `${one.label} ${this.#format(this.data[n + 1][index])}`);
    return parts.filter(Boolean).join(", ");
  }

  /** The chart in a sentence. */
  #words() {
    const parts = this.spec.series.map((one, n) => {
      const found = this.shown[n] ? extent(this.data[n + 1]) : null;
      return found && `${one.label}: now ${this.#format(found.last)}, between ${this.#format(found.least)} and ${this.#format(found.most)}`;
    });
    return `${this.spec.title}. ${parts.filter(Boolean).join("; ") || "No figures yet"}.`;
  }
}
