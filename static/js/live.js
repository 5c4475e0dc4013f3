// A part of a page that keeps itself true waits while somebody is at work in it: boxes ticked, a field in use, a form unfolded.
(() => {
  const inUse = (part) =>
    part.querySelector("input[type=checkbox]:checked, details[open] form, details[open] pre") !== null ||
    (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"));

  document.addEventListener("htmx:before:request", (event) => {
    const part = event.detail.ctx.sourceElement;
    const isPoll = /^every /.test(part.getAttribute("hx-trigger") ?? "");
    if (isPoll && inUse(part)) event.preventDefault();
  });
})();
