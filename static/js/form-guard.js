// A press is sent once, shows that it is on its way, and says so when it did not arrive.
// htmx forms bring their own hx-sync and hx-disable; this file adds the words, and the same manners for plain forms.
(() => {
  const notices = () => document.getElementById("notice");

  const sayLost = () => {
    const region = notices();
    const words = document.getElementById("lost-connection");
    if (!region || !words) return;
    region.replaceChildren(words.content.cloneNode(true));
    region.firstElementChild.dataset.lost = "";
  };

  const forgetLost = () => notices()?.querySelector("[data-lost]")?.remove();

  const guarded = (element) => element?.closest?.("form[data-guard]");

  // Polls fail quietly and try again; what a person did must not.
  const wasAsked = (ctx) => ["submit", "click", "change"].includes(ctx?.sourceEvent?.type);

  document.addEventListener("submit", (event) => {
    const form = guarded(event.target);
    if (!form || form.hasAttribute("hx-post")) return;
    if (form.hasAttribute("data-working")) {
      event.preventDefault();
    } else if (!navigator.onLine) {
      event.preventDefault();
      form.setAttribute("data-failed", "");
      sayLost();
    } else {
      form.removeAttribute("data-failed");
      form.setAttribute("data-working", "");
    }
  });

  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-working]").forEach((form) => form.removeAttribute("data-working"));
  });

  document.addEventListener("htmx:before:request", (event) => {
    guarded(event.detail.ctx.sourceElement)?.removeAttribute("data-failed");
    if (wasAsked(event.detail.ctx)) forgetLost();
  });

  document.addEventListener("htmx:error", (event) => {
    const ctx = event.detail.ctx;
    if (!wasAsked(ctx)) return;
    guarded(ctx.sourceElement)?.setAttribute("data-failed", "");
    sayLost();
  });

  document.addEventListener("htmx:response:error", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.response.status >= 500) guarded(ctx.sourceElement)?.setAttribute("data-failed", "");
  });
})();
