// What to use at each N, and what it buys a whole layer.

function showMachines(summary) {
  const place = document.getElementById("machines");
  for (const run of summary.runs) {
    const measured = run.measured_from ? `, measured ${run.measured_from.slice(0, 10)}` : "";
    place.append(h("div", {class: "machine"}, h("span", {class: "name"}, run.machine),
      h("span", {class: "soft"}, run.published ? " · means as published"
        : ` · study ${run.study.name}, profile ${run.study.profile}${measured} · ${run.common}`),
      markOf(run) ? h("div", {class: "mark"}, markOf(run)) : null));
  }
  document.title = `AttnBench: ${summary.runs.map((run) => run.machine).join(", ")}`;
}

/// The kernel `id` of the group at a row's N.
const kernelAt = (group, row, id) => (group.cells.find((cell) => cell.seqlen === row.seqlen)?.kernels || []).find((k) => k.id === id);

function adviceTable(rows, group) {
  const standing = (row) => (row.best_set.length === 0 ? row.sentence
    : row.best_set.length > 1 ? `none of the ${row.best_set.length} is shown to be the fastest`
      : row.not_excluded.length > 0 ? "not shown to be the fastest" : "shown to be faster than all others")
    + (row.best_set.length > 0 && row.not_excluded.length > 0 ? `; not excluded for noise alone, though slower by estimate than kernels that are: ${row.not_excluded.join(", ")}` : "");
  const use = (row, kernel) => h("div", {}, id(kernel), h("div", {class: "soft"}, kernelAt(group, row, kernel)?.function || ""));
  const gain = (row) => ([group.dense, group.causal_dense].includes(row.best_set[0]) ? "dense"
    : intervalText(kernelAt(group, row, row.best_set[0])?.to_dense));
  return table([["N", "n"], ["use; a query sees", ""], ["ratio to the baseline (95 % CI)", "nowrap"], ["gain over dense (95 % CI)", "nowrap"], ["standing", "wide"]],
    rows.map((row) => [String(row.seqlen),
      row.best_set.length === 0 ? h("span", {class: "soft nowrap"}, "no verdict") : row.best_set.map((kernel) => use(row, kernel)),
      intervalText(row.ratio), gain(row), standing(row)]), () => null, "stacked");
}

/// What the second ratio of a group is taken to.
function denseText(group) {
  const causal = group.cells.some((cell) => cell.seqlen_q > 1 && cell.kernels.some((k) => /^causal_linear|causal\)/.test(k.mechanism)));
  return h("p", {class: "soft"}, group.dense ? ["Gain over dense: against ", id(group.dense)] : "No exact dense kernel was measured",
    causal ? [", of causal mechanisms ", ...(group.causal_dense ? ["against ", id(group.causal_dense)] : ["none: no causal softmax kernel was measured"])] : "", ".");
}

function showUse(summary, section) {
  section.append(h("p", {class: "soft"}, "Where several kernels stand at an N, none of them is shown to be the fastest; the "
    + "first has the highest ratio, which is the one given. The fastest exact dense kernel is, of the baseline's mechanism, the one with the lowest geometric mean over N: "
    + "chosen by the same data, so gains over it are rather too small."));
  for (const run of summary.runs.filter((r) => !r.published)) {
    section.append(h("h3", {}, run.machine), markOf(run) ? h("p", {class: "mark"}, markOf(run)) : "");
    for (const group of run.groups) {
      const isOverall = (row) => !row.mechanism;
      const baselines = [...new Set(group.cells.map((cell) => cell.baseline).filter((baseline) => baseline))];
      const dropIns = baselines.map((baseline) => baseline.split("/")[0]);
      section.append(h("h4", {}, group.heading, h("span", {class: "soft"}, " · baseline ", baselines.map(id))), denseText(group));
      for (const mechanism of dropIns) {
        section.append(h("h5", {}, "Same function as the baseline, a drop-in: kernels of ", id(mechanism)),
          adviceTable(group.recommendation.filter((row) => row.mechanism === mechanism), group));
      }
      const others = [...new Set(group.recommendation.filter((r) => !isOverall(r)).map((row) => row.mechanism))].filter((m) => !dropIns.includes(m));
      if (others.length === 0) continue;
      section.append(h("h5", {}, "Of all functions: another one is a choice for training, not a drop-in"),
        adviceTable(group.recommendation.filter(isOverall), group),
        fold(`${group.heading}: the best kernel of each other mechanism`, () => others.map((mechanism) =>
          [h("h4", {}, id(mechanism)), adviceTable(group.recommendation.filter((row) => row.mechanism === mechanism), group)]).flat()));
    }
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
  section.append(h("p", {class: "soft"}, "Time of the kernel alone (core scope) in percent of the time of the whole layer with its "
    + "projections, and what the kernel gains over the baseline in each. Shown: the fastest kernel measured, and those tied with it, in one of the two."));
  let any = false;
  for (const run of summary.runs.filter((r) => r.layer_effect.length > 0)) {
    any = true;
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
  if (!any) section.append(h("p", {}, "No kernel was measured both by itself and inside its layer."));
}
