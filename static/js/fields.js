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

  const goToErrors = (root) => root.querySelector("[data-focus]")?.focus();

  document.addEventListener("htmx:after:swap", (event) => {
    document.querySelectorAll(".field-messages[data-for]").forEach(markInvalid);
    if (event.detail.ctx?.response?.status === 422) goToErrors(document);
  });
  document.addEventListener("DOMContentLoaded", () => goToErrors(document));
})();
