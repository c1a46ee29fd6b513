const summary = unpacked(JSON.parse(document.getElementById("summary").textContent));
for (const run of summary.runs) run.published = run.kind === "published";

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
});
showMachines(summary);
const sections = {use: showUse, dispatch: showDispatch, peers: showPeers, layer: showLayer, claims: showClaims, figures: showFigures, cells: showCells,
  machine: showMachine, reproduce: showReproduce};
for (const [name, show] of Object.entries(sections)) {
  const section = document.getElementById(name);
  show(summary, section);
  if (section.children.length > 1) continue;  // its heading
  section.remove();
  document.querySelector(`nav [href="#${name}"]`).remove();
}
drawAll();
