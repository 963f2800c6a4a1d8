"use strict";
(() => {
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    const value = cell.dataset.v ?? cell.textContent;
    if (value === "") return null;
    return numeric ? Number(value) : value.toLowerCase();
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

  const swap = (button) => {
    [button.textContent, button.dataset.less] = [button.dataset.less, button.textContent];
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.sort) sort(button);
    if ("all" in button.dataset) {
      button.parentElement.previousElementSibling.querySelector("table").classList.toggle("short");
      swap(button);
    }
    if ("code" in button.dataset) {
      const open = button.dataset.open !== "yes";
      button.dataset.open = open ? "yes" : "no";
      for (const code of document.querySelectorAll("details.code")) code.open = open;
      swap(button);
    }
  });
})();
