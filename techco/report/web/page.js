"use strict";
(() => {
  // The reader's system decides, unless the switch has been used; some browsers forbid pages on disk to remember it.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const KEY = "techco-theme";
  const theme = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const told = () => {
    for (const button of document.querySelectorAll("[data-switch]")) button.setAttribute("aria-pressed", theme() === "dark");
  };
  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch {}
  system.addEventListener("change", told);

  const switchTheme = () => {
    const wanted = theme() === "dark" ? "light" : "dark";
    const follows = wanted === (system.matches ? "dark" : "light");
    if (follows) delete root.dataset.theme;
    else root.dataset.theme = wanted;
    try {
      if (follows) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, wanted);
    } catch {}
    told();
  };

  // What is unknown has no key; numbers are written as 1,234.50 or 12.3 %.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    const value = cell.classList.contains("none") ? "" : cell.dataset.v ?? cell.textContent;
    if (value === "") return null;
    return numeric ? Number(value.replace(/[,% ]/g, "")) : value.toLowerCase();
  };

  const sort = (button) => {
    const head = button.parentElement;
    const numeric = button.dataset.sort === "number";
    const old = head.getAttribute("aria-sort");
    const order = old === "none" ? (numeric ? "descending" : "ascending") : old === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const body = head.closest("table").tBodies[0];
    const rows = Array.from(body.rows, (row) => [key(row, head.cellIndex, numeric), row]);
    // What is unknown stays last in either order.
    rows.sort(([a], [b]) =>
      a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true })));
    body.append(...rows.map(([, row]) => row));
  };

  const words = (row) =>
    (row.textContent + " " + Array.from(row.querySelectorAll("[data-v]"), (cell) => cell.dataset.v).join(" ")).toLowerCase();

  const filter = (box) => {
    const frame = box.closest(".sheet");
    const wanted = frame.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = frame.querySelector("select")?.value ?? "";
    const table = frame.querySelector("table");
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = wanted.length ? words(row) : "";
      row.hidden = !wanted.every((word) => text.includes(word)) || (status !== "" && !row.dataset.s.split(" ").includes(status));
      shown += !row.hidden;
    }
    const all = table.tBodies[0].rows.length;
    const filtered = wanted.length > 0 || status !== "";
    table.classList.toggle("filtered", filtered);
    frame.querySelector("output").textContent = filtered ? `${shown.toLocaleString("en")} of ${all.toLocaleString("en")}` : "";
  };

  const swap = (button) => {
    [button.textContent, button.dataset.less] = [button.dataset.less, button.textContent];
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("switch" in button.dataset) switchTheme();
    if (button.dataset.sort) sort(button);
    if ("all" in button.dataset) {
      button.closest(".sheet").querySelector("table").classList.toggle("short");
      swap(button);
    }
    if ("code" in button.dataset) {
      const open = button.dataset.open !== "yes";
      button.dataset.open = open ? "yes" : "no";
      for (const code of document.querySelectorAll("details.code")) code.open = open;
      swap(button);
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.closest(".tools")) filter(event.target);
  });

  // The table of contents marks the last heading that has passed the upper third of the window.
  const follow = () => {
    const links = Array.from(document.querySelectorAll(".contents a"));
    const heads = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    const mark = () => {
      waiting = false;
      const atEnd = innerHeight + scrollY >= root.scrollHeight - 2;
      let here = -1;
      heads.forEach((head, n) => {
        if (head && (head.getBoundingClientRect().top < innerHeight / 3)) here = n;
      });
      if (atEnd && scrollY > 0) here = links.length - 1;
      links.forEach((link, n) => {
        if (n === here) link.setAttribute("aria-current", "location");
        else link.removeAttribute("aria-current");
      });
      const list = document.querySelector(".contents");
      if (here >= 0 && list.scrollHeight > list.clientHeight) links[here].scrollIntoView({ block: "nearest" });
    };
    const later = () => {
      if (!waiting) requestAnimationFrame(mark);
      waiting = true;
    };
    if (links.length === 0) return;
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    mark();
  };

  document.addEventListener("DOMContentLoaded", () => {
    told();
    follow();
    // A browser that goes back keeps what was typed, not what it hid.
    for (const box of document.querySelectorAll(".tools input")) filter(box);
  });
})();
