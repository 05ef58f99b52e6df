// Controls without an accessible name, ids that are there twice, references that lead nowhere, headings that skip a level.
() => {
  const complaints = [];
  const shown = (element) => element.checkVisibility();
  const text = (element) => (element?.textContent || "").trim();
  const name = (element) =>
    element.getAttribute("aria-label") ||
    (element.getAttribute("aria-labelledby") || "").split(/\s+/).map((id) => id && text(document.getElementById(id))).join(" ").trim() ||
    [...(element.labels || [])].map(text).join(" ").trim() ||
    text(element) ||
    element.title;
  for (const element of document.querySelectorAll("a, button, input, select, textarea, progress, [tabindex], nav, dialog[open]")) {
    const optional = element.matches("main, pre");
    if (shown(element) && !optional && !name(element)) complaints.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  complaints.push(...ids.filter((id, n) => ids.indexOf(id) !== n).map((id) => `twice: ${id}`));
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) if (!document.getElementById(id)) complaints.push(`leads nowhere: ${id}`);
    }
  }
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown).map((element) => Number(element.tagName[1]));
  levels.forEach((level, n) => n && level > levels[n - 1] + 1 && complaints.push(`h${level} after h${levels[n - 1]}`));
  const count = (selector) => [...document.querySelectorAll(selector)].filter(shown).length;
  for (const selector of ["h1", "main", "header.top", "nav", "footer"]) if (count(selector) !== 1) complaints.push(`${count(selector)} × ${selector}`);
  if (!document.documentElement.lang) complaints.push("no lang");
  if (!document.querySelector("meta[name=viewport]")?.content.includes("width=device-width")) complaints.push("no viewport");
  return complaints;
}
