// A list whose rows can be ticked: one box ticks them all, and a place says how many are. Without us each box is ticked by itself.
(() => {
  const boxes = (name) => [...document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(name)}"]`)];

  const tell = () => {
    for (const all of document.querySelectorAll("[data-ticks]")) {
      const mine = boxes(all.dataset.ticks);
      const ticked = mine.filter((box) => box.checked).length;
      all.checked = mine.length > 0 && ticked === mine.length;
      all.indeterminate = ticked > 0 && ticked < mine.length;
    }
    for (const place of document.querySelectorAll("[data-ticked]")) {
      place.value = boxes(place.dataset.ticked).filter((box) => box.checked).length;
    }
  };

  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.ticks;
    if (name) for (const box of boxes(name)) box.checked = event.target.checked;
    tell();
  });
  document.addEventListener("htmx:after:swap", tell);
  window.addEventListener("pageshow", tell);
})();
