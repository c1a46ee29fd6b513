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

function valuesOf(answer) {
  return answer.headline.map((part) => part.estimate_text).filter((text) => text !== "");
}

/// Verdict, what was measured, and how many details are as published.
function verdictOf(answer, best) {
  if (!answer) return "–";
  const values = valuesOf(answer);
  const lines = [verdictBadges(answer), values.length > 0 ? h("div", {}, values.join(", ")) : null,
    answer.details_text !== "" ? h("div", {class: "soft"}, `details: ${answer.details_text}`) : null,
    answer.direction === "UNRESOLVED" ? [...new Set(answer.headline.map((part) => part.reason))].filter((text) => text !== "")
      .map((text) => h("div", {class: "soft"}, text)) : null,
    best ? h("div", {class: "soft"}, `fastest kernels: ${[best.verdict, ...valuesOf(best)].join(", ")}`) : null,
    answer.heading !== "" ? h("div", {class: "soft"}, answer.heading) : null];
  return lines.flat();
}

/// Machines of another kind than the published one say so.
function machineHeading(claims, run) {
  const answer = claims.flatMap((claim) => claim.answers).find((one) => one.run === run.id);
  return answer && !answer.apple_silicon ? `${run.machine} (not Apple Silicon)` : run.machine;
}

function headlineOf(claim) {
  return [claim.title, claim.published.text !== "" ? h("div", {class: "soft"}, `published: ${claim.published.text}`) : null];
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
  const columns = [["#", "n"], ["headline", "wide"], ...summary.runs.map((run) => [machineHeading(summary.claims, run), ""])];
  section.append(table(columns, summary.claims.map((claim) => [String(claim.number), headlineOf(claim),
    ...summary.runs.map((run) => verdictOf(mainAnswer(claim, run), mainAnswer(claim, run, "best")))]), () => null, "stacked"));
  for (const claim of summary.claims) {
    section.append(fold(`${claim.number}. ${claim.title}`, () => [h("p", {class: "soft"}, `“${claim.quote}” (${claim.source})`),
      claim.note !== "" ? h("p", {class: "soft"}, claim.note) : null, ...answerDetails(summary, claim)].filter(known)));
  }
}
