// Copy buttons: <button data-copy="id of the value" data-done="…" data-failed="…">. They confirm in sight and in words.
(() => {
  const SHOWN_MS = 2500;

  const textOf = (element) => ("value" in element ? element.value : element.textContent.trim());

  // Where the clipboard is closed to us (plain HTTP, some webviews) the old way still works.
  const copyOldWay = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyOldWay(text);
    }
  };

  const confirm = (button, done) => {
    const words = done ? button.dataset.done : button.dataset.failed;
    const word = button.querySelector(".copy-word");
    const status = button.querySelector("[role=status]");
    button.dataset.word ??= word ? word.textContent : "";
    button.classList.toggle("is-done", done);
    if (word) word.textContent = words;
    if (status) status.textContent = words;
    clearTimeout(button.restoring);
    button.restoring = setTimeout(() => {
      button.classList.remove("is-done");
      if (word) word.textContent = button.dataset.word;
      if (status) status.textContent = "";
    }, SHOWN_MS);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const value = document.getElementById(button.dataset.copy);
    const done = await copyText(textOf(value));
    if (!done && value.select) {
      value.focus();
      value.select();
    } else {
      button.focus();
    }
    confirm(button, done);
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.("[data-select]")) event.target.select();
  });
})();
