// Binds rows of the summary to the figure specifications and draws them. report/figures.py does the same for paper.

/// What stands beside a machine and on its figures.
const markOf = (run) => run.mark;

/// As much of a mark as a panel has room for; it stands in full beside the machine's name.
const shortMark = (mark) => (mark.length > 60 ? `${mark.slice(0, 59)}…` : mark);

function isSelected(row, meta, needs) {
  const chosen = Object.entries(meta.select).every(([column, values]) => values.includes(row[column]));
  return (chosen || (meta.with_baseline && row.is_baseline)) && needs.every((column) => known(row[column]));
}

/// The ceilings that the roofline of a group shows: its threads; its element type and f32.
const isOfGroup = (ceiling, run, group) =>
  ceiling.run === run.id && ceiling.threads === group.threads && ["", "f32", group.dtype].includes(ceiling.dtype);

const combinations = (lists) =>
  lists.reduce((all, list) => all.flatMap((head) => list.map((value) => [...head, value])), [[]]);

/// One bound specification a (run, group, value of the columns to split by) that has rows.
function panelsOf(summary, spec) {
  const meta = spec.usermeta;
  const panels = [];
  for (const run of summary.runs) {
    for (const group of run.groups) {
      const tables = {};
      for (const name of ["kernels", "series", "crossovers", "peers"]) {
        tables[name] = summary.tables[name].filter((row) => row.run === run.id && row.group === group.id
          && isSelected(row, meta, name === meta.table ? meta.needs : []));
      }
      const values = meta.split.map((column) => [...new Set(tables[meta.table].map((row) => row[column]))].sort());
      for (const part of combinations(values)) {
        const isOfPart = (row) => meta.split.every((column, i) => row[column] === part[i])
          || (meta.with_baseline && row.is_baseline);
        const datasets = {ceilings: summary.tables.ceilings.filter((c) => isOfGroup(c, run, group))};
        for (const [name, rows] of Object.entries(tables)) datasets[name] = rows.filter(isOfPart);
        if (datasets[meta.table].length === 0) continue;
        const title = [group.heading, ...part.map((value) => `${value} forms`)].join(", ");
        panels.push({run, group, spec: {...spec, datasets, title: {text: [title, run.machine], subtitle: shortMark(markOf(run))}}});
      }
    }
  }
  return panels;
}

function showFigures(summary, section) {
  const theme = JSON.parse(document.getElementById("chart-theme").textContent);
  const specifications = JSON.parse(document.getElementById("specifications").textContent);
  const queue = [];
  section.append(h("p", {class: "soft"},
    "A point names its kernel and interval under the pointer. Error bars are 95 % confidence intervals; points without them "
    + "come from published means: no variance published. Every path of every kernel stands in figure 5 and in the tables."),
    ...filters(summary));
  for (const [name, spec] of Object.entries(specifications)) {
    const panels = panelsOf(summary, spec);
    if (panels.length === 0) continue;
    const grid = h("div", {class: "panels"}, panels.map((panel) => {
      const chart = h("div", {class: "chart", role: "img", "data-run": panel.run.id, "data-group": panel.group.heading,
        "data-figure": spec.usermeta.figure, "aria-label": `${spec.description} ${panel.spec.title.text.join(", ")}. ${markOf(panel.run)}`});
      queue.push([chart, panel.spec, name]);
      return chart;
    }));
    section.append(h("figure", {id: `figure-${spec.usermeta.figure}`},
      h("h3", {}, `Figure ${spec.usermeta.figure}. ${spec.usermeta.title}`), h("figcaption", {}, spec.usermeta.caption), grid));
  }
  drawAll(queue, theme);
}

/// One after the other, so that the page stays usable. <html data-charts="drawn"> says that all are there.
async function drawAll(queue, theme) {
  for (const [chart, spec, name] of queue) {
    const fitted = {...spec, width: "container", autosize: {type: "fit-x", contains: "padding"}};
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
