const summary = unpacked(JSON.parse(document.getElementById("summary").textContent));
for (const run of summary.runs) run.published = run.kind === "published";

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
});
showMachines(summary);
showUse(summary, document.getElementById("use"));
showPeers(summary, document.getElementById("peers"));
showLayer(summary, document.getElementById("layer"));
showClaims(summary, document.getElementById("claims"));
showCells(summary, document.getElementById("cells"));
showMachine(summary, document.getElementById("machine"));
showReproduce(summary, document.getElementById("reproduce"));
showFigures(summary, document.getElementById("figures"));
