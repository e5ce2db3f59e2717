"use strict";
// Draws the figures, sorts tables by a click on a heading, opens folded parts for print.
(() => {
  const figures = JSON.parse(document.getElementById("flatenn-figures").textContent);
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg" },
  };

  function draw(element) {
    const spec = figures[element.dataset.figure];
    const layout = structuredClone(spec.layout);
    if (element.closest("figure").clientWidth < 480) {
      layout.font.size = 11;
      layout.margin.l = 46;
    }
    element.closest("figure").classList.add("drawn");
    Plotly.newPlot(element, spec.data, layout, config);
  }

  function drawAll() {
    const waiting = document.querySelectorAll(".plot");
    if (!("IntersectionObserver" in window)) {
      waiting.forEach(draw);
      return;
    }
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        draw(entry.target.querySelector(".plot"));
      }
    }, { rootMargin: "600px" });
    waiting.forEach((element) => observer.observe(element.closest("figure")));
  }

  function cellValue(row, column) {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value || NaN);
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") {
      return (Number.isNaN(a) ? Infinity : a) - (Number.isNaN(b) ? Infinity : b) || 0;
    }
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function sortBy(heading) {
    const body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const rows = Array.from(body.rows).sort(
      (a, b) => compare(cellValue(a, column), cellValue(b, column)) * (descending ? -1 : 1));
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button) sortBy(button.closest("th"));
  });
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
  drawAll();
})();
