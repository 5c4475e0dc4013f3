// On a narrow screen the steps stand in one row: the one that is open is brought into sight, also when the row is renewed.
(() => {
  const show = () => {
    const row = document.querySelector(".wizard-steps ol");
    const open = row?.querySelector("[aria-current]")?.closest("li");
    if (open) row.scrollLeft = open.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;
  };
  show();
  document.addEventListener("htmx:after:swap", show);
})();
