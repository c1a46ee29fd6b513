// Environment, noise, ceilings, and how to repeat the measurement.

const path = (object, ...keys) => keys.reduce((value, key) => (known(value) ? value[key] : null), object);

function showMachine(summary, section) {
  for (const run of summary.runs) {
    section.append(h("h3", {}, run.machine));
    if (run.published) {
      section.append(h("p", {}, "Means as published. No variance was published, so no interval, verdict or noise figure is given."));
      continue;
    }
    const e = run.environment;
    section.append(facts([["processor", path(e, "cpu", "model")], ["cores", known(path(e, "cpu", "physical_cores"))
        ? `${e.cpu.physical_cores} physical, ${e.cpu.logical_cpus} logical, SMT ${e.cpu.smt}` : null], ["features", path(e, "cpu", "features")],
      ["kinds of cores", (path(e, "cpu", "core_kinds") || []).map((kind) => `${kind.physical_cores} ${kind.name}`).join(", ")],
      ...ofMac(run.noise.by_process.filter((p) => p.valid)),
      ["governor", path(e, "cpu", "governor")], ["turbo", path(e, "cpu", "turbo")], ["hypervisor", path(e, "cpu", "hypervisor")],
      ["devices", Object.entries(e.devices || {}).map(([name, device]) => deviceText(name, device.identity || {})).join("; ")],
      ["memory", known(path(e, "memory", "total_bytes")) ? `${bytesText(e.memory.total_bytes)}, transparent huge pages ${e.memory.transparent_huge_pages}` : null],
      ["system", known(path(e, "os", "name")) ? `${e.os.name}, ${e.os.kernel}` : null], ["compiler", path(e, "build", "compiler")],
      ["libraries", e.libraries ? Object.entries(e.libraries).map((pair) => pair.join(" ")).join(", ") : null]]), noise(run), ceilings(run),
    fold("everything that was recorded of the machine", () => h("pre", {}, JSON.stringify(e, null, 1))));
  }
}

/// "cuda:0: NVIDIA H200, 139.8 GiB, driver 580.159.04".
const deviceText = (name, identity) => `${name}: ${[identity.model || identity.device_name,
  known(identity.memory_bytes) ? bytesText(Number(identity.memory_bytes)) : null,
  known(identity.driver) ? `driver ${identity.driver}` : null].filter(known).join(", ")}`;

/// What macOS alone tells of processes.
function ofMac(processes) {
  const counts = (text) => {
    const by = new Map();
    for (const value of processes.map(text).filter(known)) by.set(value, (by.get(value) || 0) + 1);
    return [...by].map(([value, count]) => `${value} in ${count} of ${processes.length} processes`).join(", ");
  };
  const shares = processes.map((p) => p.efficiency_core_share).filter(known);
  return [["thermal state", counts((p) => p.thermal_state)],
    ["Low Power Mode", counts((p) => (known(p.low_power_mode) ? (p.low_power_mode ? "on" : "off") : null))],
    ["efficiency cores", shares.length > 0 ? `at most ${percentText(Math.max(...shares))} of a process's CPU time` : null]];
}

function noise(run) {
  const n = run.noise;
  const columns = [["cell", ""], ["process", "n"], ["steal", "n"], ["pressure by anyone", "n"], ["switches / s", "n"], ["throttled", "n"], ["sentinel drift", "n"], ["rejected or flagged for", "wide"]];
  return h("div", {}, h("h4", {}, "Noise"), h("p", {}, `${n.rejected} of ${n.processes} processes were rejected and measured again. `
    + `A rejected process is kept with its reason and enters no result${run.environment.noise_guard === "off"
      ? ". The noise guard was off: nothing was rejected for noise, and what is estimated is this machine as it was." : ": what is estimated is this machine when quiet."}`
    + (run.rejected_effect ? ` ${run.rejected_effect.text[0].toUpperCase()}${run.rejected_effect.text.slice(1)}.` : "")),
  n.reasons.length > 0 ? table([["reason, of the first such process", "wide"], ["processes", "n"]], n.reasons.map((r) => [r.reason, String(r.count)])) : "",
  n.flags.length > 0 ? table([["flagged, counted all the same", "wide"], ["processes", "n"]], n.flags.map((f) => [f.flag, String(f.count)])) : "",
  run.wide && run.wide.length > 0 ? fold(`${run.wide.length} ratios wider than the ±2 % for which the profile measures`, () => table([["cell", ""], ["kernel", ""], ["±", "n"]],
    run.wide.map((w) => [id(w.cell_id), id(w.kernel), percentText(w.half_width)]))) : "",
  fold("noise of every process", () => table(columns, n.by_process.map((p) => [id(p.cell_id), String(p.process), percentText(p.steal_share),
    percentText(p.pressure_share), digits(p.involuntary_switches_per_second), known(p.throttled_periods) ? String(p.throttled_periods) : "–",
    percentText(p.sentinel_drift), p.valid ? p.flags.join("; ") : h("span", {class: "warn"}, p.reason)]))));
}

function ceilings(run) {
  const rows = run.ceilings.filter((c) => run.groups.some((group) => group.device === c.device));
  if (rows.length === 0) return "";
  const before = rows.some((c) => c.device === "cpu") ? Object.entries(run.environment.ceilings_measured_before || {}).map(([threads, at]) =>
    `${threads} thread${threads === "1" ? "" : "s"}: ${at}`) : [];
  const when = before.length === 0 ? "in the same session" : `those of the CPU before the run (${before.join(", ")}), all others in the same session`;
  return fold(`ceilings measured${before.length === 0 ? " " : ": "}${when}`, () => table([["device", ""], ["quantity", ""], ["of", ""], ["threads", "n"], ["value", "n"], ["unit", ""]],
    rows.map((c) => [c.device, c.quantity, known(c.bytes) ? `working set of ${bytesText(c.bytes)}` : [c.dtype, c.operation, c.path].filter((x) => x).join(" "),
      c.device === "cpu" ? String(c.threads) : "–", digits(c.value / 1e9, 4), c.unit === "FLOP/s" ? "GFLOP/s" : "GB/s"])));
}

function showReproduce(summary, section) {
  if (summary.runs.every((run) => run.published)) return;
  for (const run of summary.runs.filter((r) => !r.published)) {
    const command = run.command || `attnbench run ${run.study.name} --profile ${run.study.profile} --seed ${run.study.seed}`;
    const pinned = run.cpu_set.command ? `${run.cpu_set.command} ` : "";
    section.append(h("h3", {}, run.machine), h("pre", {}, `${pinned}${command} --out again.db\nattnbench report again.db`),
      run.command ? "" : h("p", {class: "soft"}, "Options that changed the study are not known: the store does not hold the command."),
      facts([["seed", String(run.study.seed)], ["plan", id(run.study.plan_hash)], ["build", id(run.study.build_id)], ["machine key", id(run.study.machine_key)],
        ["version", path(run.environment, "build", "version")],
        ["commit", path(run.environment, "build", "commit") || "not recorded"],
        ["CPUs allowed", run.cpu_set.allowed || "not recorded"],
        ["threads", run.cpu_set.used.map((u) => `${u.threads} on CPUs ${u.cpus}${u.cores ? ` (${u.cores})` : ""}`).join("; ")], ["measured", run.measured_from ? `${run.measured_from} to ${run.measured_to}` : null]]));
  }
  section.append(h("p", {}, "The samples themselves, one a line: ", h("code", {}, "attnbench export STORE --out samples.csv"),
    ". The numbers of this page as JSON: ", h("code", {}, "attnbench analyze STORE --out summary.json"), "."));
}
