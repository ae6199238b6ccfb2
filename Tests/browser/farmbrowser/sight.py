"""What can be seen and heard of a page: contrast, width, names. Measured in the browser, of what it has computed."""

# Texts that are to be seen, with the contrast of each to what lies behind it (WCAG 2.2, 1.4.3), and its font size in px.
CONTRASTS = r"""
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, under, more = 1) => {
  const a = top[3] * more;
  return [0, 1, 2].map((n) => top[n] * a + under[n] * (1 - a)).concat(1);
};
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
const behind = (element) => {
  if (!element) return rgba(getComputedStyle(document.documentElement).colorScheme.includes("dark")
    && matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#fff");
  const style = getComputedStyle(element), under = behind(element.parentElement);
  return over(rgba(style.backgroundColor), under, Number(style.opacity));
};
const faded = (element) => element ? Number(getComputedStyle(element).opacity) * faded(element.parentElement) : 1;
const found = [];
const look = (element, text, style) => {
  const ground = behind(element), colour = over(rgba(style.color), ground, faded(element));
  const [high, low] = [light(colour), light(ground)].sort((a, b) => b - a);
  found.push([text.trim().slice(0, 40), Math.round((high + .05) / (low + .05) * 100) / 100, element.className || element.localName]);
};
const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (walker.currentNode.nodeValue.trim() && seen(element) && !element.closest("svg, option")) {
    look(element, walker.currentNode.nodeValue, getComputedStyle(element));
  }
}
for (const element of document.querySelectorAll("body *")) {
  if (!seen(element)) continue;
  if (element.matches("input, select")) {
    look(element, element.value || "(value)", getComputedStyle(element));
    if (element.placeholder) look(element, element.placeholder, getComputedStyle(element, "::placeholder"));
  }
  for (const part of ["::before", "::after"]) {
    const style = getComputedStyle(element, part);
    if (!["none", "normal", '""'].includes(style.content) && style.display !== "none") look(element, part + style.content, style);
  }
}
return found;
"""

# What reaches beyond the window, or beyond a part of the page that would have to be scrolled to the side.
WIDER = r"""
const wide = document.documentElement.scrollWidth > innerWidth ? [["page", document.documentElement.scrollWidth]] : [];
for (const element of document.querySelectorAll("body *")) {
  if (!element.checkVisibility() || getComputedStyle(element).position === "absolute" && element.localName === "caption") continue;
  const { left, right, width } = element.getBoundingClientRect();
  if (width && (right > innerWidth + 1 || left < -1)) wide.push([element.localName + "." + element.className, left, right]);
}
return wide;
"""

OPEN_ALL = "for (const e of document.querySelectorAll('details')) { e.removeAttribute('name'); e.open = true; }"

# Roles that must have a name for whoever hears the page.
NAMED = {"button", "link", "textbox", "searchbox", "spinbutton", "combobox", "image", "img", "progressbar", "ProgressIndicator",
         "DisclosureTriangle", "table", "columnheader", "rowheader", "ComboBoxSelect"}


def open_all(browser):
    browser.js(OPEN_ALL)


def contrasts(browser):
    """[(text, ratio, of what)] of all that is to be seen."""
    return [tuple(one) for one in browser.js(CONTRASTS)]


def wider(browser):
    return browser.js(WIDER)


def heard(browser):
    """[(role, name, properties)] of the page as a screen reader has it."""
    browser.driver.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [(node["role"]["value"], (node.get("name") or {}).get("value", "").strip(),
             {one["name"]: one["value"].get("value") for one in node.get("properties", [])})
            for node in nodes if not node["ignored"] and "role" in node]
