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

# Texts of charts whose contrast with the page is below 3 to 1 (WCAG 2, large text and graphics), but for what stands on a
# coloured mark: figures 5 and 12.
FAINT = """(() => {
  const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = (colour) => { const [r, g, b] = channels(colour).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const page = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll('.chart')].flatMap((chart) => [...chart.querySelectorAll('svg text')]
    .filter((text) => text.textContent.trim() !== '' && !(['5', '12'].includes(chart.dataset.figure) && text.closest('.role-mark')))
    .map((text) => [chart.dataset.figure, text.textContent, light(getComputedStyle(text).fill)])
    .filter(([, , ink]) => (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05) < 3));
})()"""

# Axes with a title and no label: their scale has no extent, or its labels were all left out.
UNLABELLED = """[...document.querySelectorAll('.chart')].flatMap((chart) => [...chart.querySelectorAll('svg .role-axis')]
  .filter((axis) => axis.querySelector('.role-axis-title text')?.textContent
    && ![...axis.querySelectorAll('.role-axis-label text')].some((text) => text.textContent.trim() !== ''))
  .map((axis) => [chart.dataset.figure, axis.querySelector('.role-axis-title text').textContent]))"""
