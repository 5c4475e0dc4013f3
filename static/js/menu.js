// <details class="menu"> opens without us; here it closes on Escape, on a press elsewhere, and when another one opens.
(() => {
  const opened = () => [...document.querySelectorAll("details.menu[open]")];

  document.addEventListener("click", (event) => {
    for (const menu of opened()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("focusin", (event) => {
    for (const menu of opened()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of opened()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    const drawer = document.getElementById("nav-open");
    if (drawer?.checked) {
      drawer.checked = false;
      drawer.focus();
    }
  });
})();
