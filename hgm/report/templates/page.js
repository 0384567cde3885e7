"use strict";
(() => {
  const PAGE = 24; // entries of the gallery before "Show more"

  for (const slider of document.querySelectorAll(".slider")) {
    const range = slider.querySelector("input");
    const move = () => slider.style.setProperty("--at", `${range.value}%`);
    range.addEventListener("input", move);
    move(); // a browser remembers where it stood
  }

  for (const pick of document.querySelectorAll("input.pick")) {
    const frames = pick.previousElementSibling;
    const show = () => frames.style.setProperty("--shown", pick.value);
    pick.addEventListener("input", show);
    show();
  }

  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    const seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) isIntersecting ? target.play().catch(() => {}) : target.pause();
    });
    for (const film of document.querySelectorAll("video")) seen.observe(film);
  }

  const gallery = document.getElementById("gallery");
  if (gallery) {
    const find = document.getElementById("find"), order = document.getElementById("order");
    const found = document.getElementById("found"), more = document.getElementById("more");
    const people = [...gallery.children].map((item, at) => ({
      item, at, name: item.querySelector("b").textContent.toLowerCase(), value: Number(item.dataset.value ?? NaN),
    }));
    let shown = PAGE;
    const better = (a, b) => (isNaN(a.value) ? 1 : 0) - (isNaN(b.value) ? 1 : 0) || b.value - a.value || a.at - b.at;
    const sorts = {
      name: (a, b) => a.at - b.at,
      best: better,
      worst: (a, b) => (isNaN(a.value) ? 1 : 0) - (isNaN(b.value) ? 1 : 0) || a.value - b.value || a.at - b.at,
    };
    function list() {
      const wanted = find.value.trim().toLowerCase();
      const matching = people.filter(({ name }) => name.includes(wanted)).sort(sorts[order.value]);
      gallery.replaceChildren(...matching.slice(0, shown).map(({ item }) => item));
      found.textContent = `${matching.length} of ${people.length}`;
      more.hidden = matching.length <= shown;
      more.textContent = `Show more (${matching.length - shown} left)`;
    }
    for (const control of [find, order]) {
      control.addEventListener("input", () => {
        shown = PAGE;
        list();
      });
    }
    more.addEventListener("click", () => {
      const first = gallery.children.length;
      shown += 4 * PAGE;
      list();
      gallery.children[first].querySelector("a").focus();
    });
    list();
  }

  // the interactive view takes the film's place when it is about to be seen, where the browser can draw it
  function webgl() {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl2"));
    } catch {
      return false;
    }
  }
  async function start(box) {
    const note = box.querySelector(".note");
    if (!webgl()) {
      note.textContent = "This browser has no WebGL 2 for the interactive view: a film in its place.";
      return;
    }
    try {
      await new Promise((resolve, reject) => {
        const element = document.createElement("script");
        element.onload = resolve;
        element.onerror = () => reject(new Error("its program is missing beside this page"));
        element.src = box.dataset.bundle;
        document.head.append(element);
      });
      await window.hgmViewer(box);
    } catch (error) {
      note.textContent = `The interactive view does not run here: ${error.message}`;
    }
  }
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      start(target);
    }
  });
  addEventListener("load", () => document.querySelectorAll("[data-bundle]").forEach((box) => near.observe(box)));
})();
