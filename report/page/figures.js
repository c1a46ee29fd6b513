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

/// The ceilings that the roofline of a group shows: its device's, on the CPU its threads'; its element type and f32.
const isOfGroup = (ceiling, run, group) =>
  ceiling.run === run.id && ceiling.device === group.device && (group.device !== "cpu" || ceiling.threads === group.threads)
  && ["", "f32", group.dtype].includes(ceiling.dtype);

const combinations = (lists) =>
  lists.reduce((all, list) => all.flatMap((head) => list.map((value) => [...head, value])), [[]]);

/// The mechanisms or kernels that a figure draws of these rows: what its legend shows.
const drawnIn = (rows, column = "family") => [...new Set(rows.map((row) => (column === "family" && row.is_baseline ? "baseline" : row[column])))];

/// `legendRows`: those whose kernels the legend names, where they are more than the panel's own.
function bind(spec, datasets, title, subtitle, legendRows = null) {
  const rows = datasets[spec.usermeta.table];
  const drawn = drawnIn(legendRows || rows, spec.usermeta.legend);
  const values = {drawn: legendRows ? drawn.sort() : drawn, highest: Math.max(0, ...(datasets.extent || []).map((row) => row.y || 0))};
  const params = spec.params && {params: spec.params.map((param) => ({...param, value: values[param.name]}))};
  return {...spec, ...params, datasets, title: {text: title, subtitle}};
}

/// One bound specification a (run, group, value of the columns to split by) that has rows. Ratios to different baselines
/// share neither a panel nor a scale.
function panelsOf(summary, spec) {
  const meta = spec.usermeta;
  if (meta.of === "profile") return panelsOfProfile(summary, spec);
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

/// A value of a column that profile panels are split by, as it stands in their titles.
const partWords = (column, value) => (column === "threads" ? `${value} thread${value === 1 ? "" : "s"}`
  : {decode: "decode of one query", drawn: "problems drawn over the ranges of tuning", traffic: "problems of the traffic given"}[value] || value);

/// One panel a value of the columns to split by, of the profile that the summary was made with; none without one.
function panelsOfProfile(summary, spec) {
  const {table, split} = spec.usermeta;
  const {profile} = summary;
  const rows = profile ? summary.tables[table] : [];
  const partOf = (row) => JSON.stringify(split.map((column) => row[column]));
  return [...new Set(rows.map(partOf))].map((part) => {
    const mine = rows.filter((row) => partOf(row) === part);
    const means = (profile.certificate?.summaries || []).filter((entry) => entry.shapes === mine[0].shapes).map((entry) => entry.regret);
    const heading = JSON.parse(part).map((value, i) => partWords(split[i], value)).join(", ");
    const problem = table === "regrets" && profile.certificate?.problem;
    const mark = [profile.runs.length > 0 ? "" : profile.belongs, problem ? `The certificate does not hold here: ${problem}.` : ""].filter(Boolean).join(" ");
    return {run: {id: "", mark}, group: {heading}, spec: bind(spec, {[table]: mine, means}, [heading, profile.machine], mark, rows)};
  });
}

const specifications = JSON.parse(document.getElementById("specifications").textContent);
const queue = [];  // [place, specification, file name] of all charts of the page

/// A figure with a place for each of its panels, which are queued to be drawn; null where it has none. `words`: texts that
/// follow its caption.
function figureOf(summary, name, spec, words = []) {
  const panels = panelsOf(summary, spec);
  if (panels.length === 0) return null;
  const grid = h("div", {class: "panels"}, panels.map((panel) => {
    const chart = h("div", {class: "chart", role: "img", "data-run": panel.run.id, "data-group": panel.group.heading,
      "data-figure": spec.usermeta.figure, "aria-label": `${spec.description} ${panel.spec.title.text.join(", ")}. ${markOf(panel.run)}`});
    queue.push([chart, panel.spec, name]);
    return chart;
  }));
  return h("figure", {class: panels.length > 1 ? "many" : null, id: `figure-${spec.usermeta.figure}`},
    h("h3", {}, `Figure ${spec.usermeta.figure}. ${spec.usermeta.title}`), h("figcaption", {}, [spec.usermeta.caption, ...words].join(" ")), grid);
}

const figuresOf = (kind) => Object.entries(specifications).filter(([, spec]) => spec.usermeta.of === kind);

function showFigures(summary, section) {
  const places = figuresOf(undefined).map(([name, spec]) => figureOf(summary, name, spec)).filter((place) => place !== null);
  if (places.length === 0) return;
  section.append(h("p", {class: "soft"},
    "A point names its kernel and interval under the pointer. Error bars are 95 % confidence intervals; points without them "
    + "come from published means: no variance published. Every path of every kernel stands in figure 5 and in the tables."),
    ...filters(summary), h("div", {class: "figures"}, places));
}

/// What dispatch chooses by the profile that the summary was made with, and what that costs.
function showDispatch(summary, section) {
  const {profile} = summary;
  if (!profile) return;
  section.append(h("p", {class: "soft"}, `A profile of ${profile.machine}, device ${profile.device}, of ${profile.times} times. ${profile.belongs}`));
  const places = [];
  for (const [name, spec] of figuresOf("profile")) {
    const words = [profile[spec.usermeta.words]].flat();
    const place = figureOf(summary, name, spec, words);
    if (place !== null) places.push(place);
    else section.append(...words.map((text) => h("p", {}, text)));
  }
  if (places.length > 0) section.append(h("div", {class: "figures"}, places));
}

/// Pixels that a character of a panel's title and of its mark may take: no wider ones are frequent.
const TITLE_WIDTH = 7.2;
const SUBTITLE_WIDTH = 6.2;

/// One after the other, so that the page stays usable. <html data-charts="drawn"> says that all are there.
async function drawAll() {
  const theme = JSON.parse(document.getElementById("chart-theme").textContent);
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
        for (const chart of document.querySelectorAll("#figures .chart")) {
          chart.hidden = (chosen.run !== null && chart.dataset.run !== chosen.run)
            || (chosen.group !== null && chart.dataset.group !== chosen.group);
        }
        dispatchEvent(new Event("resize"));
      }}, text));
    return h("div", {class: "chips"}, buttons);
  });
}
