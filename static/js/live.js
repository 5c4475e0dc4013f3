// A part of a page that keeps itself true waits while somebody is at work in it: boxes ticked, a field in use, a form
// unfolded, anything held down (a button that is replaced before it is let go was never pressed).
// And where an answer leads elsewhere, the page goes there once: asked and answered again on the way, it would go there
// a second time, over what its reader has done by then.
(() => {
  const FIELDS = ":is(input:not([readonly]), textarea:not([readonly]), select):focus"; // an address to copy is no field
  let isLeaving = false;
  let isHeld = false; // a finger is down, or the main button

  window.addEventListener("pointerdown", (event) => {
    isHeld = event.button === 0;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    window.addEventListener(name, () => {
      isHeld = false;
    });
  }
  window.addEventListener("pointermove", (event) => {
    if (event.buttons === 0) isHeld = false; // let go where no page heard of it: outside, or on a menu of the browser
  });

  const isPoll = (part) => /^every /.test(part.getAttribute("hx-trigger") ?? "");

  const isChanged = (box) => box.checked !== box.defaultChecked;

  const inUse = (part) =>
    [...part.querySelectorAll("input[type=checkbox]")].some(isChanged) ||
    part.querySelector("details[open] form, details[open] pre") !== null ||
    part.querySelector(FIELDS) !== null ||
    isHeld;

  const mustWait = (part) => isPoll(part) && (isLeaving || inUse(part));

  document.addEventListener("htmx:before:request", (event) => {
    if (mustWait(event.detail.ctx.sourceElement)) event.preventDefault();
  });

  document.addEventListener("htmx:after:request", (event) => {
    const ctx = event.detail.ctx;
    if (mustWait(ctx.sourceElement)) {
      event.preventDefault();
      return;
    }
    // A whole page in answer to htmx: to the sign-in page, or on after saving.
    const isPage = /^\s*<!doctype/i.test(ctx.text ?? "") && ctx.response.raw.redirected;
    isLeaving ||= isPage || Boolean(ctx.hx.redirect);
    if (!isPage) return;
    event.preventDefault();
    window.location.assign(ctx.response.raw.url);
  });

  window.addEventListener("pageshow", () => {
    isLeaving = false;
  });
})();
