// Claims: one row a claim, one column a machine; below it each answer with its comparisons.

/// The answer for the setting of the publication, else the first.
function mainAnswer(claim, run, form = "published") {
  const mine = claim.answers.filter((answer) => answer.run === run.id && answer.form === form);
  return mine.find((a) => a.as_published) || mine[0];
}

/// Direction, and the size with its label.
function verdictBadges(answer) {
  return h("span", {}, badge(answer.direction), answer.magnitude !== "" ? [" size: ", badge(answer.magnitude)] : null);
}

/// The verdict of a machine on a claim, with the setting it is of and what keeps it open.
function verdictOf(answer, best) {
  if (!answer) return "–";
  const open = answer.direction === "UNRESOLVED" ? [...new Set(answer.headline.map((part) => part.reason))].filter((text) => text !== "") : [];
  return [verdictBadges(answer), ...[...open, answer.details_text !== "" ? `details: ${answer.details_text}` : "",
    answer.stand_ins ? `by products in f32: ${answer.stand_ins.join(", ")}` : "", best ? `fastest kernels: ${best.verdict}` : "", answer.heading].filter((text) => text !== "").map((text) => h("div", {class: "soft"}, text))];
}

/// A claim's lines: its title, then its verdicts, then each comparison as published and as measured on each machine.
function claimLines(claim, runs) {
  const answers = runs.map((run) => [mainAnswer(claim, run), mainAnswer(claim, run, "best")]);
  const parts = new Map(answers.flatMap(([answer]) => answer?.headline || []).map((part) => [part.what, part]));
  const measured = (list, part) => list?.headline.find((one) => one.what === part.what)?.measured_text || "";
  return [`${claim.number}. ${claim.title}`,
    [h("b", {}, "verdict"), claim.published.text || "–", ...answers.map(([answer, best]) => verdictOf(answer, best))],
    ...[...parts.values()].map((part) => [[part.what, part.relation === "best_set" ? null : h("div", {class: "soft"}, part.measure)], part.published_text || "–",
      ...answers.map(([answer, best]) => {
        const [text, fastest] = [measured(answer, part), measured(best, part)];
        return [text || "–", fastest && fastest !== text ? h("div", {class: "soft"}, `fastest kernels: ${fastest}`) : null];
      })])];
}

/// Machines of another kind than the published one say so.
function machineHeading(claims, run) {
  const answer = claims.flatMap((claim) => claim.answers).find((one) => one.run === run.id);
  return answer && !answer.apple_silicon ? `${run.machine} (not Apple Silicon)` : run.machine;
}

function comparisonTable(parts) {
  return table([["comparison", "wide"], ["published", ""], ["measured, 95 % CI", "wide"], ["outcome", ""], ["p", "n"]],
    parts.map((part) => [[part.what, part.relation === "best_set" ? null : h("div", {class: "soft"}, part.measure)],
      part.published_text || "–", part.measured_text || "–", part.outcome, pText(part.p)]), () => null, "stacked");
}

function answerDetails(summary, claim) {
  const rank = (a) => (a.as_published ? 0 : 1);
  return summary.runs.flatMap((run) => claim.answers.filter((a) => a.run === run.id).sort((a, b) => rank(a) - rank(b)).map((answer) =>
    h("div", {}, h("h4", {}, [run.machine, answer.heading, answer.form === "best" ? "the fastest kernels of the mechanisms" : ""]
      .filter((x) => x).join(" · "), " ", verdictBadges(answer)),
    h("p", {}, answer.sentence),
    answer.headline.length > 0 ? h("p", {class: "soft"}, "Headline") : null,
    answer.headline.length > 0 ? comparisonTable(answer.headline) : null,
    answer.details.length > 0 ? h("p", {class: "soft"}, `Details, each judged alone, at 5 %: ${answer.details_text}`) : null,
    answer.details.length > 0 ? comparisonTable(answer.details) : null,
    answer.beside.length > 0 ? table([["beside, not published", "wide"], ["measured, 95 % CI", "wide"], ["tells", "wide"]],
      answer.beside.map(({says, comparison}) => [comparison.what, comparison.measured_text, says]), () => null, "stacked") : null)));
}

function showClaims(summary, section) {
  const isTested = (answer) => !answer.verdict.startsWith("NOT TESTED");
  if (!summary.claims.some((claim) => claim.answers.some(isTested))) return;
  section.append(h("p", {class: "soft"}, "A claim's verdict is that of its headline. HOLDS: resolved as published; REVERSED: the opposite way; "
    + "OUTSIDE: outside the published range; IN PART: its comparisons differ; else UNRESOLVED or NOT TESTED. All headlines of a run are one "
    + "family (Holm, 5 %). Size: AGREES where the 95 % interval holds the published value and lies within a factor of 1.1 of it, of small effects less; "
    + "SMALLER, LARGER or OPPOSITE where it lies wholly there; else TOO WIDE to tell; DIFFERS where it is not the same for all comparisons. "
    + "Details are as published where direction and size are; each is judged alone, at 5 %, so that the verdict on the same ratio within its "
    + "family of cells may be UNRESOLVED. Modes: the processes fall into groups, and a verdict holds only if the whole wide interval lies on one side. "
    + "Block-sparse, windowed and linear attention, GQA and MQA compute other functions than MHA: their ratios compare costs. Published numbers have no variance; \"its means\" is what follows from the published table. A published cause "
    + "is not tested. A machine's column shows the setting of the publication where it was measured."));
  const tested = summary.runs.filter((run) => summary.claims.some((claim) => claim.answers.some((a) => a.run === run.id && isTested(a))));
  const isShown = (claim) => claim.answers.some((answer) => isTested(answer));
  const columns = [["comparison", "wide"], ["published", ""], ...tested.map((run) => [machineHeading(summary.claims, run), ""])];
  section.append(table(columns, summary.claims.filter(isShown).flatMap((claim) => claimLines(claim, tested)), () => null, "stacked claims"));
  const untested = summary.claims.filter((claim) => !isShown(claim)).map((claim) => claim.number);
  if (untested.length > 0) section.append(h("p", {class: "soft"}, `Not tested by any of these runs: ${untested.length > 1 ? "claims" : "claim"} ${untested.join(", ")}.`));
  section.append(h("h3", {}, "Each claim with its details"));
  for (const claim of summary.claims) {
    section.append(fold(`${claim.number}. ${claim.title}`, () => [h("p", {class: "soft"}, `“${claim.quote}” (${claim.source})`),
      claim.note !== "" ? h("p", {class: "soft"}, claim.note) : null, ...answerDetails(summary, claim)].filter(known)));
  }
}
