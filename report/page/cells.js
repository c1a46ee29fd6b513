// Every cell, its kernels and their samples by process.

function showCells(summary, section) {
  section.append(h("p", {class: "soft"}, "A green edge marks kernels that may be the fastest (one that noise alone keeps from being excluded has none). \"Samples\" opens a kernel's work, what ran, and its blocks by "
    + "process: a process is one observation, its blocks are not."));
  for (const run of summary.runs) {
    section.append(h("h3", {}, run.machine), markOf(run) ? h("p", {class: "mark"}, markOf(run)) : "");
    for (const group of run.groups) {
      section.append(fold(`${group.heading}: N = ${group.seqlens.join(", ")}`, () => [denseText(group), ...group.cells.map((cell) => oneCell(cell, run, group))]));
    }
  }
}

function oneCell(cell, run, group) {
  const lines = [`baseline ${cell.baseline || "none"}`];
  if (!run.published) lines.push(`${cell.judged_processes} processes, ${cell.rejected_processes} rejected${
    cell.judged_processes < cell.valid_processes ? `; judged at a planned look, ${cell.valid_processes - cell.judged_processes} later ones are not used` : ""}`);
  if (cell.aa) lines.push(`A/A, the baseline twice: ${cell.aa.text}`);
  return h("div", {}, h("h4", {}, `N = ${cell.seqlen}`), h("p", {class: "soft"}, lines.join(" · ")),
    cell.withheld ? h("p", {class: "mark"}, `No verdicts: ${cell.withheld}`) : "", cellTable(cell, group));
}

function cellTable(cell, group) {
  const measured = cell.kernels.filter((k) => k.status === "ok");
  const others = cell.kernels.filter((k) => k.status !== "ok");
  const columns = [["kernel", ""], ["", ""], ["time (95 % CI)", "nowrap"], [h("span", {}, "ratio (95 % CI)", cell.baseline ? h("div", {class: "soft"}, `to ${cell.baseline}`) : ""), "nowrap", "ratio (95 % CI)"], ["verdict", ""],
    ["a query sees", "nowrap"], ["gain over dense (95 % CI)", "nowrap"], ["p", "n"],
    ["Welch p*", "n"], ["detects", "n"], ["median", "nowrap"], ["min – max", "nowrap"], ["CV within / between", "nowrap"], ["p95 single", "nowrap"],
    ["% compute / bandwidth", "nowrap"], ["error / tolerance", "nowrap"], ["peak", "nowrap"]];
  return h("div", {}, table(columns, measured.map((k) => kernelRow(k, group)), (i) => (cell.best_set.includes(measured[i].id) ? "best" : null)),
    others.length > 0 ? fold(`${others.length} kernels without a result`, () =>
      table([["kernel", ""], ["", ""], ["why", "wide"]], others.map((k) => [id(k.id), k.status, k.reason]))) : "",
    startUp(measured),
    h("p", {class: "soft"}, "p: of the difference, adjusted. * unpaired, conservative under pairing; decides "
    + "nothing. detects: the smallest ratio seen with 80 % power."
    + (measured.some((k) => !isConfirmed(k)) ? " not confirmed: its engine could not tell which implementation ran." : "")
    + (measured.some((k) => k.modes) ? " modes: some processes lie apart from the others, and the next may be of either kind; the interval holds mean and median, and no verdict there is EQUIVALENT." : "")
    + (measured.some((k) => k.verdict === "EQUIVALENT") ? ` EQUIVALENT speaks of the typical process: slow ones of which ${cell.judged_processes} processes show none may be up to ${percentText(cell.share_not_excluded)} of all.` : "")));
}

/// What comes before the calls, and from which call on a kernel has paid for it.
function startUp(kernels) {
  const told = kernels.filter((k) => known(k.start_up));
  if (told.length === 0) return "";
  const payOff = (k) => (k.is_baseline ? "baseline" : known(k.start_up.pays_off_after_calls) ? String(k.start_up.pays_off_after_calls) : "never");
  return fold("start-up, and after how many calls it pays off", () => h("div", {}, table([["kernel", ""], ["prepare", "nowrap"], ["bind", "nowrap"],
    ["first call", "nowrap"], ["call", "nowrap"], ["pays off after k calls", "n"]], told.map((k) => [id(k.id), timeText(k.start_up.prepare_seconds),
    timeText(k.start_up.bind_seconds), timeText(k.start_up.first_call_seconds), timeText(k.seconds.estimate), payOff(k)])),
  h("p", {class: "soft"}, "Medians over processes, without intervals. Prepare: plans, workspace, compiled code; bind: tensors to the device. From call k on the "
    + "kernel, start-up included, has taken less time in all than the baseline with its own; 0: from the first on; never: its calls are not faster, or it starts ahead and falls behind.")));
}

function kernelRow(k, group) {
  const isDense = k.id === group.dense || k.id === group.causal_dense;
  const name = h("div", {}, id(k.id), isConfirmed(k) ? "" : h("div", {class: "warn"}, "not confirmed"), k.is_baseline ? h("div", {class: "soft"}, "baseline") : "",
    k.impossible ? h("div", {class: "warn"}, `IMPOSSIBLE: ${k.impossible}`) : "");
  return [name, k.by_process && k.by_process.length > 0 ? samplesButton(k) : "", h("div", {}, intervalText(k.seconds, timeText),
    known(k.mean_seconds) ? h("div", {class: "warn"}, `mean ${timeText(k.mean_seconds)}: disturbed blocks or processes`) : ""),
  h("div", {}, intervalText(k.ratio), k.modes ? h("div", {class: "warn"}, "modes") : "", k.wide ? h("div", {class: "soft"}, "wider than ±2 %") : "", k.unranked ? h("div", {class: "warn"}, k.unranked) : ""),
  badge(k.verdict_words) || (k.unranked ? "not ranked" : "–"), k.function, isDense ? "dense" : intervalText(k.to_dense), pText(k.p_difference_adjusted),
    pText(k.welch_p), digits(k.smallest_detectable_ratio, 4), k.median ? timeText(k.median.estimate) : "–",
    known(k.min) ? `${timeText(k.min)} – ${timeText(k.max)}` : "–", `${percentText(k.cv_within)} / ${percentText(k.cv_between)}`,
    k.unbatched ? timeText(k.unbatched.p95) : "–", `${digits(k.percent_of_compute)} / ${digits(k.percent_of_bandwidth)}`,
    k.accuracy ? `${digits(k.accuracy.max_error, 2)} / ${digits(k.accuracy.tolerance, 2)}` : "–", bytesText(k.peak_bytes)];
}

/// Whether its engine told which implementation ran, where the store holds that.
const isConfirmed = (k) => !k.implementation || k.implementation.known_by !== "";

/// What ran and how that is known; what there was to do, and which ceiling bounds it.
function details(k) {
  const ran = k.implementation;
  const code = !ran ? [] : [["what ran", ran.ran || "the kernel's own code"], ["known by", ran.known_by || "not confirmed"]];
  const rows = [...code, ["useful FLOPs", digits(k.useful_flops)], ["executed FLOPs", digits(k.executed_flops)],
    ["compulsory bytes", bytesText(k.compulsory_bytes)], ["moved bytes", known(k.moved_bytes) ? bytesText(k.moved_bytes) : "not told"],
    ["bound by", k.bound || "–"], ["% of compute, executed", digits(k.percent_of_compute_executed)]];
  return table([["", ""], ["", ""]], rows);
}

function samplesButton(k) {
  return h("button", {type: "button", "aria-expanded": "false", onclick: (event) => {
    const row = event.currentTarget.closest("tr");
    const open = event.currentTarget.getAttribute("aria-expanded") === "true";
    event.currentTarget.setAttribute("aria-expanded", String(!open));
    if (open) row.nextElementSibling.remove();
    else row.after(h("tr", {}, h("td", {colspan: row.children.length}, samples(k))));
  }}, "Samples");
}

/// Dots: one row a process, its blocks as dots and their median as a line.
function samples(k) {
  const blocksOf = (process) => (process.blocks || []).map((block) => block * (k.block_unit || 1));
  const all = k.by_process.flatMap((process) => [process.seconds, ...blocksOf(process)]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const [left, width, step, top] = [70, 540, 16, 14];
  const x = (seconds) => left + (high > low ? (width * (seconds - low)) / (high - low) : width / 2);
  const height = top + step * k.by_process.length + 22;
  const s = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const rows = k.by_process.flatMap((process, i) => {
    const y = top + step * i;
    return [s("text", {x: 0, y: y + 4}, `process ${process.process}${process.judged === false ? " *" : ""}`), s("line", {class: "row", x1: left, x2: left + width, y1: y, y2: y}),
      ...blocksOf(process).map((seconds) => s("circle", {class: "block", cx: x(seconds).toFixed(1), cy: y, r: 2.6})),
      s("line", {class: "middle", x1: x(process.seconds).toFixed(1), x2: x(process.seconds).toFixed(1), y1: y - 6, y2: y + 6})];
  });
  const plot = s("svg", {class: "dots", viewBox: `0 0 ${left + width + 10} ${height}`, role: "img",
    "aria-label": `Times of ${k.id} by process, from ${timeText(low)} to ${timeText(high)}`}, ...rows,
  s("text", {x: left, y: height - 6}, timeText(low)), s("text", {x: left + width, y: height - 6, "text-anchor": "end"}, timeText(high)));
  const hasBlocks = k.by_process.some((process) => blocksOf(process).length > 0);
  return h("div", {}, details(k), plot, k.by_process.some((process) => process.judged === false) ? h("p", {class: "soft"}, "* after the look at which the cell is judged: not used.") : "", hasBlocks ? "" : h("p", {class: "soft"}, "Lines are the medians of processes. Their blocks are left out to keep this page "
    + "small: ", h("code", {}, "attnbench export STORE"), " gives every sample."), fold("as numbers", () => table([["process", "n"], ["median", "nowrap"], ["ratio to the baseline", "n"], ["blocks", "wide"]],
    k.by_process.map((process) => [String(process.process), timeText(process.seconds),
      known(process.log_ratio) ? digits(Math.exp(process.log_ratio)) : "–", blocksOf(process).map((b) => timeText(b)).join(", ") || "left out"]))));
}
