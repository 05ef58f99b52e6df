/** What is known over time, in columns: `at` (epoch seconds), rates, lags, and the jobs by status. Pure. */

export const KEPT_S = 6 * 3600;
const GAP_S = 30;

/** Columns of equal length, appended to by the stream. */
export class History {
  constructor() {
    this.at = [];
    this.columns = new Map();
  }

  /** Begin with the server's answer. Statuses become columns named `jobs.STATUS`. */
  load(answer) {
    this.at = [...(answer.at || [])];
    this.columns = new Map();
    for (const [name, values] of Object.entries(flat(answer))) this.columns.set(name, [...values]);
  }

  /** One more row, unless it is known; a long silence before it becomes a gap. */
  append(row) {
    const last = this.at.at(-1) ?? -Infinity;
    if (!(row.at > last)) return;
    if (Number.isFinite(last) && row.at - last > GAP_S) this.#push(row.at - 1, {});
    this.#push(row.at, flat(row));
    const old = this.at.findIndex((at) => at > row.at - KEPT_S);
    if (old > 60) this.#drop(old);
  }

  #push(at, row) {
    for (const name of Object.keys(row)) {
      if (!this.columns.has(name)) this.columns.set(name, new Array(this.at.length).fill(null));
    }
    this.at.push(at);
    for (const [name, values] of this.columns) values.push(row[name] ?? null);
  }

  #drop(count) {
    this.at.splice(0, count);
    for (const values of this.columns.values()) values.splice(0, count);
  }

  /** A column; all null if there is none. */
  column(name) {
    return this.columns.get(name) || new Array(this.at.length).fill(null);
  }

  /** The values of a column since a moment, those left out that are not known. */
  since(name, moment) {
    const first = this.at.findIndex((at) => at >= moment);
    return first < 0 ? [] : this.column(name).slice(first).filter((value) => value !== null);
  }

  /** The newest moment. */
  get end() {
    return this.at.at(-1) ?? null;
  }

  /** The part that one column's sum is of another's over the last seconds; null if nothing is known of it. */
  share(part, whole, seconds) {
    if (this.end === null) return null;
    const all = sum(this.since(whole, this.end - seconds));
    return all > 0 ? sum(this.since(part, this.end - seconds)) / all : null;
  }
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

function flat(row) {
  const { at: _at, jobs, ...columns } = row;
  for (const [status, value] of Object.entries(jobs || {})) columns[`jobs.${status}`] = value;
  return columns;
}

/** Each column on top of those before it; null where all are. */
export function stacked(columns) {
  const totals = columns[0]?.map(() => null) || [];
  return columns.map((values) =>
    values.map((value, row) => {
      if (value !== null) totals[row] = (totals[row] ?? 0) + value;
      return totals[row];
    }),
  );
}

/** Least, greatest and last of the known values; null without any. */
export function extent(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (!known.length) return null;
  const least = known.reduce((a, b) => Math.min(a, b));
  const most = known.reduce((a, b) => Math.max(a, b));
  return { least, most, last: known.at(-1) };
}
