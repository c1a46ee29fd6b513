// Elements and the texts of numbers. Text only ever enters the page through text nodes.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/// Undoes what src/report/html.cc does to lists of objects with the same keys.
function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if (!value["#columns"]) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpacked(inner)]));
  return value["#rows"].map((row) => Object.fromEntries(row.map((inner, i) => [value["#columns"][i], unpacked(inner)])));
}

const known = (value) => value !== null && value !== undefined;
const isNumber = (value) => typeof value === "number";  // what a system does not tell is recorded as "not readable"

function digits(value, count = 3) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1e6) return value.toExponential(count - 1);
  if (Math.abs(value) >= 10 ** count) return Math.round(value).toString();
  if (Math.abs(value) < 1e-3) return value.toExponential(count - 1);
  return Number(value).toPrecision(count);
}

function timeText(seconds) {
  if (!known(seconds)) return "–";
  const [unit, factor] = seconds >= 1 ? ["s", 1] : seconds >= 1e-3 ? ["ms", 1e3] : ["µs", 1e6];
  return `${digits(seconds * factor)} ${unit}`;
}

function bytesText(bytes) {
  if (!known(bytes)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (bytes >= 1024 && power < units.length - 1) [bytes, power] = [bytes / 1024, power + 1];
  return `${power === 0 ? Math.round(bytes) : digits(bytes)} ${units[power]}`;
}

const percentText = (share) => (isNumber(share) ? `${digits(100 * share, 2)} %` : "–");
const boundsText = (interval, text = digits) =>
  interval && known(interval.low) ? `${text(interval.low)}–${text(interval.high)}` : "–";
const intervalText = (interval, text = digits) =>
  !interval ? "–" : known(interval.low) ? `${text(interval.estimate)} (${boundsText(interval, text)})` : text(interval.estimate);
const pText = (p) => (!known(p) ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3));

const badge = (word) => (word ? h("span", {class: `badge ${word.split(" ")[0]}`}, word) : null);
const id = (text) => h("span", {class: "id"}, text);

/// columns: [heading, class, its text where the heading is an element]; rows: arrays of cells (text or element), or a text
/// that stands over the rows after it. A stacked table becomes a list on a phone, where each cell has its heading beside it.
/// A table that is wider than its place says that it scrolls.
function table(columns, rows, rowClass = () => null, style = "") {
  const head = h("tr", {}, columns.map(([heading, style]) => h("th", {class: style, scope: "col"}, heading)));
  const body = rows.map((row, i) => (typeof row === "string"
    ? h("tr", {class: "over"}, h("th", {colspan: columns.length, scope: "rowgroup"}, row))
    : h("tr", {class: rowClass(i)}, row.map((cell, k) => h("td", {class: columns[k][1], "data-label": columns[k][2] || columns[k][0]}, cell)))));
  const place = h("div", {class: `scroll ${style}`, tabindex: "0"}, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
  const note = h("p", {class: "scrolls", hidden: ""}, "wider than the page: it scrolls sideways →");
  const tell = () => { note.hidden = place.scrollWidth <= place.clientWidth + 1; };
  new ResizeObserver(tell).observe(place);
  return h("div", {class: "holder"}, note, place);
}

/// Details whose inside is made when they are first opened.
function fold(title, fill) {
  const inside = h("div", {class: "inside"});
  const details = h("details", {}, h("summary", {}, title), inside);
  details.addEventListener("toggle", () => details.open && !inside.hasChildNodes() && inside.append(...[fill()].flat()));
  return details;
}

function facts(pairs) {
  return h("dl", {class: "facts"}, pairs.filter(([, value]) => known(value) && value !== "")
    .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
