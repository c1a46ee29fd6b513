"""Texts of the figures as a reader meets them: which of them overlap or are cut off."""

# Boxes of glyphs are lower than those of lines: half a line's height apart, texts do not touch. An axis' labels are turned
# with it, so boxes are taken from the screen. What is cut off lies outside its chart, or ends with an ellipsis.
FAULTS = """[...document.querySelectorAll('.chart')].filter((chart) => chart.offsetHeight > 0).flatMap((chart) => {
  const edge = chart.getBoundingClientRect();
  const texts = [...chart.querySelectorAll('svg text')].map((text) => ({text: text.textContent, box: text.getBoundingClientRect(),
    opacity: Number(getComputedStyle(text).opacity)})).filter((t) => t.text.trim() !== '' && t.opacity > 0);
  const faults = [];
  texts.forEach((a, i) => {
    if (a.text.endsWith('…')) faults.push([chart.dataset.figure, 'shortened', a.text]);
    if (a.box.left < edge.left - 1 || a.box.right > edge.right + 1 || a.box.top < edge.top - 1 || a.box.bottom > edge.bottom + 1)
      faults.push([chart.dataset.figure, 'clipped', a.text]);
    for (const b of texts.slice(i + 1)) {
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 1 && high > 0.35 * Math.min(a.box.height, b.box.height)) faults.push([chart.dataset.figure, 'overlaps', a.text, b.text]);
    }
  });
  return faults;
})"""
