// Runs before the first paint: says that scripts run, and tells Tabler's few rules that ask for an attribute what the system prefers.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  if (root.hasAttribute("data-theme")) return;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  follow();
  if (dark.addEventListener) dark.addEventListener("change", follow);
})();
