"use strict";
// A link to something that is closed opens it; before printing everything opens.
(() => {
  const all = (place, open) => place.querySelectorAll("details.program, details.step").forEach((d) => { d.open = open; });
  const show = (id) => {
    const target = document.getElementById(decodeURIComponent(id));
    if (!target) return;
    for (let d = target.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    if (target.matches("details")) {
      document.querySelectorAll(".chosen").forEach((d) => d.classList.remove("chosen"));
      target.classList.add("chosen");
      target.querySelector("summary").focus({ preventScroll: true });
      target.scrollIntoView({ block: "start" });
    }
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) show(link.getAttribute("href").slice(1));
    const button = event.target.closest("button");
    if (button && button.dataset.open) all(document.getElementById(button.dataset.open), true);
    if (button && button.dataset.close) all(document.getElementById(button.dataset.close), false);
  });
  window.addEventListener("hashchange", () => show(location.hash.slice(1)));
  if (location.hash) show(location.hash.slice(1));
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.program:not([open]), details.step:not([open])")];
    closed.forEach((d) => { d.open = true; });
  });
  window.addEventListener("afterprint", () => { closed.forEach((d) => { d.open = false; }); });
})();
