/* The texts of a page whose colour stands out too little from its background (WCAG 2.1, success criterion 1.4.3). */
(() => {
  const parts = colour => { const found = colour.match(/[\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const over = (above, below) => [0, 1, 2].map(i => above[i] * above[3] + below[i] * (1 - above[3]));
  const luminance = rgb => {
    const [red, green, blue] = rgb.map(value => value / 255).map(
      value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = element => {
    const colour = element ? parts(getComputedStyle(element).backgroundColor) : [255, 255, 255, 1];
    return colour[3] === 1 ? colour.slice(0, 3) : over(colour, background(element.parentElement));
  };
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    const isShown = element.checkVisibility({visibilityProperty: true, opacityProperty: true});
    if (!text || !isShown || element.closest("script, style, noscript")) continue;
    const style = getComputedStyle(element), below = background(element);
    const [light, dark] = [over(parts(style.color), below), below].map(luminance).sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if ((light + 0.05) / (dark + 0.05) < (isLarge ? 3 : 4.5)) found.add(`${style.color}: ${text.slice(0, 40)}`);
  }
  return [...found];
})()
