// What to use of each mechanism at each N, and what it buys a whole layer.

function showMachines(summary) {
  const place = document.getElementById("machines");
  for (const run of summary.runs) {
    const measured = run.measured_from ? `, measured ${run.measured_from.slice(0, 10)}` : "";
    place.append(h("div", {class: "machine"}, h("span", {class: "name"}, run.machine),
      h("span", {class: "soft"}, run.published ? " · means as published"
        : ` · study ${run.study.name}, profile ${run.study.profile}${measured} · ${run.common}`),
      markOf(run) ? h("div", {class: "mark"}, markOf(run)) : null));
  }
  document.title = `AttnBench: ${summary.runs.map((run) => run.machine).join("; ")}`;
}

const cellAt = (group, seqlen) => group.cells.find((cell) => cell.seqlen === seqlen);

/// A kernel's name within its mechanism: what follows "/" in `mha/fused@cpu:avx512`.
const withinMechanism = (kernel) => kernel.slice(kernel.lastIndexOf("/") + 1);

/// The kernel that a recommendation shows: the first of those that may be the fastest, else the one of its ratio.
function shownKernel(group, row) {
  const kernels = cellAt(group, row.seqlen)?.kernels || [];
  return row.best_set.length > 0 ? kernels.find((k) => k.id === row.best_set[0])
    : kernels.find((k) => k.mechanism === row.mechanism && k.ratio && k.ratio.estimate === row.ratio.estimate);
}

/// How sure the choice is, in a line; null where the kernel is the only one or shown to be the fastest.
function standingOf(row, group, kernel) {
  const cell = cellAt(group, row.seqlen);
  const rivals = cell.kernels.filter((k) => k.mechanism === row.mechanism && k.ratio && !k.unranked);
  if (row.best_set.length === 0) return rivals.length > 1 ? "fastest measured; no verdict" : "only one measured; no verdict";
  const names = (list) => (list.length > 3 ? `${list.length} others` : list.map(withinMechanism).join(", "));
  const ties = row.best_set.filter((name) => name !== kernel.id);
  return [ties.length > 0 ? `tied with ${names(ties)}` : null,
    row.not_excluded.length > 0 ? `too noisy to exclude: ${names(row.not_excluded)}` : null].filter(known).join("; ") || null;
}

function matrixCell(row, group) {
  const kernel = row && shownKernel(group, row);
  if (!kernel) return "–";
  const standing = standingOf(row, group, kernel);
  return [h("div", {}, h("span", {class: "id", title: kernel.id}, withinMechanism(kernel.id))),
    h("div", {class: "nowrap"}, timeText(kernel.seconds?.estimate)),
    h("div", {class: "nowrap"}, kernel.is_baseline ? "the baseline" : h("span", {}, h("b", {}, `${digits(row.ratio.estimate)}×`),
      known(row.ratio.low) ? ` (${boundsText(row.ratio)})` : ""), kernel.modes ? h("span", {class: "warn"}, " modes") : null,
    isConfirmed(kernel) ? null : h("span", {class: "warn"}, " not confirmed")),
    standing ? h("div", {class: "soft"}, standing) : null].filter(known);
}

/// Rows: mechanisms, those of the baseline first; columns: N. A row between them says what they are.
function matrix(group) {
  const rows = group.recommendation.filter((row) => row.mechanism);
  const dropIns = new Set(group.cells.map((cell) => cell.baseline).filter((baseline) => baseline).map((baseline) => baseline.split("/")[0]));
  const mechanisms = [...new Set(rows.map((row) => row.mechanism))];
  const lengths = [...new Set(rows.map((row) => row.seqlen))];
  const functionOf = (mechanism) => [...new Set(rows.filter((row) => row.mechanism === mechanism)
    .map((row) => shownKernel(group, row)?.function).filter(known))];
  const line = (mechanism) => {
    const told = functionOf(mechanism);
    return [h("div", {}, id(mechanism), h("div", {class: "soft"}, told.length === 1 ? told[0] : `${told[0]} … ${told[told.length - 1]}`)),
      ...lengths.map((n) => matrixCell(rows.find((row) => row.mechanism === mechanism && row.seqlen === n), group))];
  };
  const parts = [["Drop-in: the baseline's mechanism, the same result", mechanisms.filter((m) => dropIns.has(m))],
    ["If your model was trained so: another function, not a drop-in", mechanisms.filter((m) => !dropIns.has(m))]];
  const several = new Set(group.cells.map((cell) => cell.baseline)).size > 1;
  const baselineOf = (n) => cellAt(group, n).kernels.find((k) => k.is_baseline);
  const columns = [["mechanism; a query sees", "first"], ...lengths.map((n) => [h("span", {}, `N = ${n}`, h("div", {class: "soft"},
    baselineOf(n)?.seconds ? `baseline ${several ? `${baselineOf(n).id} ` : ""}${timeText(baselineOf(n).seconds.estimate)}` : "no baseline")), "choice", `N = ${n}`])];
  const lines = parts.filter(([, list]) => list.length > 0).flatMap(([heading, list]) => [heading, ...list.map(line)]);
  return table(columns, lines, () => null, "stacked matrix");
}

/// What the second ratio of a group is taken to.
function denseText(group) {
  const causal = group.cells.some((cell) => cell.seqlen_q > 1 && cell.kernels.some((k) => /^causal_linear|causal\)/.test(k.mechanism)));
  return h("p", {class: "soft"}, group.dense ? ["Gain over dense: against ", id(group.dense)] : "No exact dense kernel was measured",
    causal ? [", of causal mechanisms ", ...(group.causal_dense ? ["against ", id(group.causal_dense)] : ["none: no causal softmax kernel was measured"])] : "", ".");
}

/// Groups beyond these are folded.
const OPEN_GROUPS = 4;

/// Ids of the cells' baselines; where there are several, each with its N.
function baselinesOf(cells) {
  const ids = [...new Set(cells.map((cell) => cell.baseline).filter((baseline) => baseline))];
  if (ids.length === 1) return ids.map(id);
  return ids.flatMap((baseline, i) => [i > 0 ? "; " : "", id(baseline),
    ` at N = ${cells.filter((cell) => cell.baseline === baseline).map((cell) => cell.seqlen).join(", ")}`]);
}

function showUse(summary, section) {
  const runs = summary.runs.filter((run) => !run.published && run.groups.some((group) => group.recommendation.length > 0));
  if (runs.length === 0) return;
  section.append(h("p", {class: "soft"}, "In each field the kernel to use of that mechanism: its time per call, and its ratio to the baseline with the "
    + "95 % confidence interval. A kernel without a further word is shown to be the fastest of its mechanism there, or the only one measured; of tied ones "
    + "the first has the highest ratio."));
  for (const run of runs) {
    section.append(h("h3", {}, run.machine), markOf(run) ? h("p", {class: "mark"}, markOf(run)) : "");
    const groups = run.groups.filter((group) => group.recommendation.length > 0);
    groups.forEach((group, i) => {
      const told = h("p", {class: "soft"}, "Baseline ", baselinesOf(group.cells), ".");
      section.append(...(i < OPEN_GROUPS ? [h("h4", {}, group.heading), told, matrix(group)] : [fold(group.heading, () => [told, matrix(group)])]));
    });
  }
}

function layerTable(rows) {
  return table([["N", "n"], ["kernel; a query sees", ""], ["attention's share of the layer", "nowrap"], ["gain in core scope", "nowrap"],
    ["gain in layer scope", "nowrap"], ["verdict core / layer", "nowrap"]],
  rows.map((row) => [String(row.seqlen), h("div", {}, id(row.kernel), h("div", {class: "soft"}, row.function)), intervalText(row.share, percentText), intervalText(row.core_gain),
    intervalText(row.layer_gain), [badge(row.core_verdict_words) || "–", " / ", badge(row.layer_verdict_words) || "–",
      row.differs ? h("div", {class: "warn"}, "⚠ the two verdicts differ") : null].filter(known)]), () => null, "stacked");
}

function showLayer(summary, section) {
  const runs = summary.runs.filter((run) => run.layer_effect.length > 0);
  if (runs.length === 0) return;
  section.append(h("p", {class: "soft"}, "Time of the kernel alone (core scope) in percent of the time of the whole layer with its "
    + "projections, and what the kernel gains over the baseline in each. Shown: the fastest kernel measured, and those tied with it, in one of the two."));
  for (const run of runs) {
    section.append(h("h3", {}, run.machine), markOf(run) ? h("p", {class: "mark"}, markOf(run)) : "");
    for (const dtype of new Set(run.layer_effect.map((row) => row.dtype))) {
      const rows = run.layer_effect.filter((row) => row.dtype === dtype);
      const best = new Set(run.groups.flatMap((group) => group.cells.flatMap((cell) =>
        [cell.fastest, ...cell.best_set].map((kernel) => `${group.id} ${cell.seqlen} ${kernel}`))));
      const isBest = (row) => [row.core_group, row.layer_group].some((group) => best.has(`${group} ${row.seqlen} ${row.kernel}`));
      const differing = rows.filter((row) => row.differs);
      const judged = rows.filter((row) => known(row.differs));
      section.append(h("h4", {}, dtype),
        differing.length > 0 ? h("p", {class: "warn"}, `⚠ Core and layer verdicts differ in ${differing.length} of ${judged.length} cases that have both: `
          + "judge a kernel by the scope that your program runs.") : "", layerTable(rows.filter(isBest)),
        fold(`${dtype}: all kernels`, () => layerTable(rows)));
    }
  }
}
