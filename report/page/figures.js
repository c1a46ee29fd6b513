// Binds rows of the summary to the figure specifications and draws them. report/figures.py does the same for paper.

/// What stands beside a machine and on its figures.
const markOf = (run) => run.mark;

/// A text as lines of at most so many characters, broken between words.
function linesOf(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + 1 + word.length > most) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}

const isChosen = (row, meta) => Object.entries(meta.select).every(([column, values]) => values.includes(row[column]));

function isSelected(row, meta, needs) {
  return (isChosen(row, meta) || (meta.with_baseline && row.is_baseline)) && needs.every((column) => known(row[column]));
}

/// The ceilings that the roofline of a group shows: its threads; its element type and f32.
const isOfGroup = (ceiling, run, group) =>
  ceiling.run === run.id && ceiling.threads === group.threads && ["", "f32", group.dtype].includes(ceiling.dtype);

const combinations = (lists) =>
  lists.reduce((all, list) => all.flatMap((head) => list.map((value) => [...head, value])), [[]]);

/// The mechanisms or kernels that a figure draws of these rows: what its legend shows.
const drawnIn = (rows, column = "family") => [...new Set(rows.map((row) => (column === "family" && row.is_baseline ? "baseline" : row[column])))];

function bind(spec, datasets, title, subtitle) {
  const rows = datasets[spec.usermeta.table];
  const values = {drawn: drawnIn(rows, spec.usermeta.legend), highest: Math.max(0, ...(datasets.extent || []).map((row) => row.y || 0))};
  const params = spec.params && {params: spec.params.map((param) => ({...param, value: values[param.name]}))};
  return {...spec, ...params, datasets, title: {text: title, subtitle}};
}

/// One bound specification a (run, group, value of the columns to split by) that has rows. Ratios to different baselines
/// share neither a panel nor a scale.
function panelsOf(summary, spec) {
  const meta = spec.usermeta;
  if (meta.across) return panelsAcross(summary, spec);
  const panels = [];
  for (const run of summary.runs) {
    for (const group of run.groups) {
      const tables = {};
      for (const name of ["kernels", "series", "crossovers", "peers"]) {
        tables[name] = summary.tables[name].filter((row) => row.run === run.id && row.group === group.id
          && isSelected(row, meta, name === meta.table ? meta.needs : []));
      }
      const columns = meta.by_baseline ? [...meta.split, "baseline"] : meta.split;
      const values = columns.map((column) => [...new Set(tables[meta.table].map((row) => row[column]))].sort());
      for (const part of combinations(values)) {
        const baseline = meta.by_baseline ? part[meta.split.length] : null;
        const isOfPart = (row) => (baseline === null || row.baseline === baseline)
          && (meta.split.every((column, i) => row[column] === part[i]) || (meta.with_baseline && row.is_baseline));
        const datasets = {ceilings: summary.tables.ceilings.filter((c) => isOfGroup(c, run, group))};
        for (const [name, rows] of Object.entries(tables)) datasets[name] = rows.filter(isOfPart);
        if (!datasets[meta.table].some((row) => isChosen(row, meta))) continue;  // a baseline alone is no figure
        const title = [group.heading, ...meta.split.map((_, i) => `${part[i]} forms`), ...(baseline === null ? [] : [`against ${baseline}`])].join(", ");
        panels.push({run, group, baseline, datasets, title: [title, run.machine], subtitle: markOf(run)});
      }
    }
  }
  for (const panel of panels) {
    const rows = panels.filter((other) => other.baseline === panel.baseline).flatMap((other) => other.datasets[meta.table]);
    panel.datasets.extent = extentOf(rows, meta.shared);
  }
  return panels.map((panel) => ({...panel, spec: bind(spec, panel.datasets, panel.title, panel.subtitle)}));
}

/// The least and the greatest value over all panels of a figure: panels of several machines have one scale.
function extentOf(rows, {also = {}, ...shared} = {}) {
  const pick = (choose) => Object.fromEntries(Object.entries(shared).map(([axis, columns]) => [axis,
    rows.flatMap((row) => columns.map((column) => row[column])).concat(also[axis]).filter((value) => known(value) && value > 0).reduce((x, y) => choose(x, y))]));
  return [pick(Math.min), pick(Math.max)];
}

/// One panel a problem that more than one run measured, with the rows of all of them at the longest N that all have.
function panelsAcross(summary, spec) {
  const problems = new Map();
  for (const run of summary.runs) {
    for (const group of run.groups) {
      const key = [group.scope, group.dtype, group.phase, group.condition, group.batch, group.num_q_heads, group.head_dim_qk].join(" ");
      const rows = summary.tables.kernels.filter((row) => row.run === run.id && row.group === group.id && isSelected(row, spec.usermeta, spec.usermeta.needs));
      if (rows.length > 0) problems.set(key, [...(problems.get(key) || []), {run, group, rows}]);
    }
  }
  return [...problems.values()].filter((parts) => new Set(parts.map((part) => part.run.id)).size > 1).flatMap((parts) => {
    const lengths = parts.map((part) => new Set(part.rows.map((row) => row.seqlen)));
    const common = [...lengths[0]].filter((n) => lengths.every((list) => list.has(n)));
    if (common.length === 0) return [];
    const longest = Math.max(...common);
    const threads = (part) => (parts.filter((other) => other.run === part.run).length > 1 ? `, ${part.group.threads} threads` : "");
    const rows = parts.flatMap((part) => part.rows.filter((row) => row.seqlen === longest).map((row) => ({...row, machine: row.machine + threads(part)})));
    const {group} = parts[0];
    const title = [`${group.scope} ${group.dtype}, ${group.phase}, N = ${longest}`, `${group.num_q_heads} heads, head_dim ${group.head_dim_qk}`];
    return [{run: {id: "", mark: ""}, group, spec: bind(spec, {kernels: rows}, title, "Runs that are not for publication are named so above.")}];
  });
}

function showFigures(summary, section) {
  const theme = JSON.parse(document.getElementById("chart-theme").textContent);
  const specifications = JSON.parse(document.getElementById("specifications").textContent);
  const queue = [];
  section.append(h("p", {class: "soft"},
    "A point names its kernel and interval under the pointer. Error bars are 95 % confidence intervals; points without them "
    + "come from published means: no variance published. Every path of every kernel stands in figure 5 and in the tables."),
    ...filters(summary));
  const places = h("div", {class: "figures"});
  for (const [name, spec] of Object.entries(specifications)) {
    const panels = panelsOf(summary, spec);
    if (panels.length === 0) continue;
    const grid = h("div", {class: "panels"}, panels.map((panel) => {
      const chart = h("div", {class: "chart", role: "img", "data-run": panel.run.id, "data-group": panel.group.heading,
        "data-figure": spec.usermeta.figure, "aria-label": `${spec.description} ${panel.spec.title.text.join(", ")}. ${markOf(panel.run)}`});
      queue.push([chart, panel.spec, name]);
      return chart;
    }));
    places.append(h("figure", {class: panels.length > 1 ? "many" : null, id: `figure-${spec.usermeta.figure}`},
      h("h3", {}, `Figure ${spec.usermeta.figure}. ${spec.usermeta.title}`), h("figcaption", {}, spec.usermeta.caption), grid));
  }
  if (queue.length > 0) section.append(places);
  else section.replaceChildren(section.firstChild);
  drawAll(queue, theme);
}

/// Pixels that a character of a panel's title and of its mark may take: no wider ones are frequent.
const TITLE_WIDTH = 7.2;
const SUBTITLE_WIDTH = 6.2;

/// One after the other, so that the page stays usable. <html data-charts="drawn"> says that all are there.
async function drawAll(queue, theme) {
  for (const [chart, spec, name] of queue) {
    const broken = {text: spec.title.text.flatMap((line) => linesOf(line, chart.clientWidth / TITLE_WIDTH)),
      subtitle: linesOf(spec.title.subtitle, chart.clientWidth / SUBTITLE_WIDTH)};
    const fitted = {...spec, title: broken, width: "container", autosize: {type: "fit-x", contains: "padding"}};
    await window.vegaEmbed(chart, fitted, {mode: "vega-lite", renderer: "svg", config: theme,
      logLevel: 1,  // errors: published means have no intervals, and an empty layer is not worth a warning
      downloadFileName: name,
      tooltip: {theme: "custom"}, actions: {export: true, source: false, compiled: false, editor: false}});
    await new Promise((resolve) => setTimeout(resolve));
  }
  document.documentElement.dataset.charts = "drawn";
}

/// Buttons that show the panels of one machine or one group alone.
function filters(summary) {
  const chosen = {run: null, group: null};
  const rows = [["run", summary.runs.map((run) => [run.id, run.machine])],
    ["group", [...new Set(summary.runs.flatMap((run) => run.groups.map((group) => group.heading)))].map((x) => [x, x])]];
  return rows.filter(([, choices]) => choices.length > 1).map(([key, choices]) => {
    const buttons = [[null, "all"], ...choices].map(([value, text]) => h("button", {type: "button",
      "aria-pressed": value === null, onclick: (event) => {
        chosen[key] = value;
        for (const button of buttons) button.setAttribute("aria-pressed", button === event.currentTarget);
        for (const chart of document.querySelectorAll(".chart")) {
          chart.hidden = (chosen.run !== null && chart.dataset.run !== chosen.run)
            || (chosen.group !== null && chart.dataset.group !== chosen.group);
        }
        dispatchEvent(new Event("resize"));
      }}, text));
    return h("div", {class: "chips"}, buttons);
  });
}
