// Claims: one row a claim, one column a machine; below it each answer with its parts.

/// The answer for the setting of the publication, else the first.
function mainAnswer(claim, run) {
  const mine = claim.answers.filter((answer) => answer.run === run.id);
  return mine.find((a) => a.as_published && a.form !== "best") || mine.find((a) => a.form !== "best") || mine[0];
}

const isShare = (part) => ["CV", "saved share"].includes(part.measure);
const valueText = (part) => (isShare(part) ? percentText : digits);

function publishedValue(part, value) {
  const text = valueText(part);
  return Array.isArray(value) ? `${text(value[0])}–${text(value[1])}` : text(value);
}

/// The parts with a number that was published or follows from published means.
function publishedText(claim) {
  const parts = ((claim.published && claim.published.parts) || []).filter((part) => known(part.printed) || known(part.from_means));
  const line = (part) => h("div", {}, `${part.what}: ${part.measure} `, known(part.printed) ? publishedValue(part, part.printed) : "not printed",
    known(part.from_means) ? h("span", {class: "soft"}, ` (its means: ${publishedValue(part, part.from_means)})`) : "");
  if (parts.length <= 5) return parts.length > 0 ? parts.map(line) : "no number";
  return [...parts.slice(0, 4).map(line), fold(`${parts.length - 4} more`, () => parts.slice(4).map(line))];
}

function verdictOf(answer) {
  if (!answer) return "–";
  return [badge(answer.direction), " ", badge(answer.magnitude), h("div", {class: "soft"}, answer.heading || "")].filter(known);
}

function answerDetails(summary, claim) {
  const rank = (a) => (a.as_published ? 0 : 1);
  return summary.runs.flatMap((run) => claim.answers.filter((a) => a.run === run.id).sort((a, b) => rank(a) - rank(b)).map((answer) =>
    h("div", {}, h("h4", {}, [run.machine, answer.heading, answer.form === "best" ? "the fastest kernels of the mechanisms" : ""]
      .filter((x) => x).join(" · "), " ", badge(answer.direction), " ", badge(answer.magnitude) || ""),
    h("p", {}, answer.sentence),
    answer.parts.length === 0 ? "" : fold("its parts", () => table([["part", "wide"], ["N", "n"], ["measured (95 % CI)", "nowrap"], ["published", "nowrap"], ["from its means", "nowrap"],
        ["direction", ""], ["magnitude", ""], ["p, adjusted", "n"], ["remark", "wide"]],
      answer.parts.map((part) => [[part.what, part.measure ? h("div", {class: "soft"}, part.measure) : null].filter(known),
        known(part.seqlen) ? String(part.seqlen) : "", partValue(part), known(part.printed) ? publishedValue(part, part.printed) : "–",
        known(part.from_means) ? publishedValue(part, part.from_means) : "–", badge(part.direction) || "", badge(part.magnitude) || "",
        pText(part.p_adjusted), [part.reason, part.counts === false ? "shown only, not part of the answer" : ""]
          .filter((x) => x).join("; ")]))))));
}

function partValue(part) {
  if (!part.ranges) return intervalText(part.value, valueText(part));
  const ranges = part.ranges.map((r) => `${r.open_low ? "≤ " : ""}${digits(r.low, 4)}–${r.open_high ? "≥ " : ""}${digits(r.high, 4)}`);
  return `${part.value ? digits(part.value.estimate) : "none"} (${ranges.join(", ") || "no range"})`;
}

function showClaims(summary, section) {
  if (summary.claims.length === 0) {
    section.append(h("p", {}, "This summary holds no claims."));
    return;
  }
  section.append(h("p", {class: "soft"}, "Direction: HOLDS where every part is resolved as published, REVERSED where one is resolved the "
    + "other way, else UNRESOLVED or NOT TESTED. Magnitude: AGREES where the published value lies in the interval measured here, SMALLER or "
    + "LARGER where the effect is so here. A machine's column shows the setting of the publication where it was measured. \"Its means\": what "
    + "follows from the published table of means."));
  const columns = [["#", "n"], ["claim", "wide"], ...summary.runs.map((run) => [run.machine, ""]), ["published (no variance)", "wide"]];
  section.append(table(columns, summary.claims.map((claim) => [String(claim.number), claim.title,
    ...summary.runs.map((run) => verdictOf(mainAnswer(claim, run))), publishedText(claim)]), () => null, "stacked"));
  for (const claim of summary.claims) {
    section.append(fold(`${claim.number}. ${claim.title}`, () => [h("p", {class: "soft"}, claim.statement), ...answerDetails(summary, claim)]));
  }
}
