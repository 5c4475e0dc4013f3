// Fields: show a password, keep aria-invalid in step with the messages below a field, go to the errors of a refused form.
(() => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const input = document.getElementById(button.dataset.reveal);
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });

  const markInvalid = (messages) => {
    const input = document.getElementById(messages.dataset.for);
    if (!input) return;
    if (messages.querySelector(".field-error")) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };

  // "within": the first field of a row that the server has just added, or of the neighbour of one that it removed.
  const goTo = (spot) => {
    if (!spot) return;
    const first = spot.dataset.focus === "within" && spot.querySelector("input:not([type=hidden]), select, textarea, button");
    spot.removeAttribute("data-focus");
    (first || spot).focus();
  };

  document.addEventListener("htmx:after:swap", (event) => {
    document.querySelectorAll(".field-messages[data-for]").forEach(markInvalid);
    const is422 = event.detail.ctx?.response?.status === 422;
    goTo(document.querySelector(is422 ? "[data-focus]" : "[data-focus=within]"));
  });
  document.addEventListener("DOMContentLoaded", () => goTo(document.querySelector("[data-focus]")));
})();
