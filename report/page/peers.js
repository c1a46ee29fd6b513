// Our kernels beside those of other engines.

/// "sdpa@mlx 1.24 (1.20–1.28)" with how ours stands, the kernel that is worst for ours first; what is unsupported is told below.
function peerCell(rows) {
  const shown = rows.filter((row) => row.status !== "unsupported").sort((a, b) => (a.ratio?.estimate ?? Infinity) - (b.ratio?.estimate ?? Infinity));
  const standing = (row) => (!known(row.ratio) ? h("span", {class: "warn"}, row.status === "ok" ? "not decided" : row.status)
    : !row.verdict ? h("span", {class: "soft"}, "not decided")
      : h("span", {class: `badge ${row.verdict}`}, row.standing + (row.verdict === "EQUIVALENT" ? row.verdict_words.slice("EQUIVALENT".length) : "")));
  return shown.length === 0 ? "–" : shown.map((row) => h("div", {}, h("span", {class: "id", title: row.kernel}, withinMechanism(row.kernel)), " ",
    known(row.ratio) ? h("span", {class: "nowrap"}, intervalText(row.ratio)) : "", row.modes ? h("span", {class: "warn"}, " modes") : null, " ", standing(row)));
}

function peersTable(run, group) {
  const rows = run.peers.rows.filter((row) => row.group === group.id);
  const engines = [...new Set(rows.filter((row) => known(row.seconds)).map((row) => row.engine))].sort();
  const cases = [...new Set(rows.filter((row) => known(row.seconds)).map((row) => `${row.seqlen} ${row.mechanism}`))];
  if (cases.length === 0) return "";
  return table([["N", "n"], ["ours", ""], ["time (95 % CI)", "nowrap"], ...engines.map((engine) => [`${engine} / ours (95 % CI)`, ""])],
    cases.map((one) => {
      const mine = rows.filter((row) => `${row.seqlen} ${row.mechanism}` === one);
      return [String(mine[0].seqlen), mine[0].ours ? id(mine[0].ours) : `${mine[0].mechanism}: no fused kernel of ours`, intervalText(mine[0].our_seconds, timeText),
        ...engines.map((engine) => peerCell(mine.filter((row) => row.engine === engine)))];
    }), () => null, "stacked");
}

/// Each reason once, with the kernel and the number of cells.
function peersMissing(run) {
  const counts = new Map();
  for (const row of run.peers.rows.filter((r) => r.standing === "missing" || (known(r.seconds) && !known(r.verdict)))) {
    const key = JSON.stringify([row.kernel, row.status === "ok" ? row.reason : `${row.status}: ${row.reason}`]);
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  return [...counts].map(([key, count]) => [...JSON.parse(key), count]);
}

function showPeers(summary, section) {
  const runs = summary.runs.filter((run) => run.peers.rows.some((row) => known(row.seconds)));
  if (runs.length === 0) return;
  section.append(h("p", {class: "soft"}, "Time of the other engine's kernel / time of our fused kernel of the same mechanism in the same processes: "
    + "above 1 ours is faster. Ahead: ours is shown to be faster; tied: as fast, within the margin; behind: slower. All such comparisons of one device, element type and scope are one family. An engine is counted once "
    + "a cell and mechanism, as its kernel that is worst for ours; the range is that of its fastest kernel in each."));
  for (const run of runs) {
    const compared = run.peers.engines.filter((e) => !e.missing);
    section.append(h("h3", {}, run.machine), markOf(run) ? h("p", {class: "mark"}, markOf(run)) : "", compared.length === 0 ? "" :
      table([["engine", ""], ["ours ahead", "n"], ["tied", "n"], ["behind", "n"], ["not decided", "n"], ["ratios", "nowrap"]],
        compared.map((e) => [e.engine, ...[e.ahead, e.tied, e.behind, e.undecided].map(String),
          `${digits(e.lowest_ratio)} to ${digits(e.highest_ratio)}`])));
    for (const e of run.peers.engines.filter((engine) => engine.missing)) {
      section.append(h("p", {class: "soft"}, `${e.engine}: no ratio: ${e.missing}`));
    }
    for (const group of run.groups) {
      const shown = peersTable(run, group);
      if (shown !== "") section.append(h("h4", {}, group.heading), shown);
    }
    const missing = peersMissing(run);
    if (missing.length > 0) section.append(fold("kernels without a time or a verdict, and why", () => table([["kernel", ""], ["why", "wide"], ["cells", "n"]],
      missing.map(([kernel, why, count]) => [id(kernel), why, String(count)]))));
  }
}
