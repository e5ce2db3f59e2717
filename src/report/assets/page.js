"use strict";
// Draws the figures, sorts tables by a click on a heading, answers the designer's form.
(() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const config = {
    responsive: true,
    displaylogo: false,
    scrollZoom: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg" },
  };
  let figures = null;

  // Figures are made for a light page: black ink, white ground.
  function darken(value) {
    if (Array.isArray(value)) return value.map(darken);
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, darken(item)]));
    }
    const inks = { "#000000": "#e6edf3", "#ffffff": "#0d1117", "#d8dde3": "#30363d", "#1b1f24": "#e6edf3",
      "#0072b2": "#56a8e0",
      // those of label_colour()
      "#b34f00": "#ff9a52", "#007a59": "#3fc79c", "#a84f80": "#e29cc3", "#8f6200": "#e6b84d",
      "#1f78ab": "#7cc4ee" };
    return typeof value === "string" ? inks[value.toLowerCase()] ?? value : value;
  }

  function specOf(element) {
    figures ??= json("flatenn-figures");
    const spec = structuredClone(figures[element.dataset.figure]);
    const layout = spec.layout;
    if (touch) layout.dragmode = false; // a finger scrolls the page
    if (element.closest("figure").clientWidth < 480) {
      layout.font.size = 11;
      layout.margin.l = 46;
      layout.margin.r = 12;
      spec.data = spec.data.filter((trace) => trace.meta !== "end label");
    }
    if (!dark.matches) return spec;
    const dimmed = darken(spec);
    dimmed.layout.font.color = "#e6edf3";
    return dimmed;
  }

  // A chart's four buttons are for the mouse: the tab key would stop at each of them, chart by chart.
  function leaveOutOfTabOrder(element) {
    for (const button of element.querySelectorAll(".modebar [tabindex], .modebar a, .modebar button")) {
      button.tabIndex = -1;
    }
  }

  function draw(element) {
    const spec = specOf(element);
    element.closest("figure").classList.add("drawn");
    const fresh = element.on === undefined;
    Plotly.react(element, spec.data, spec.layout, config).then(leaveOutOfTabOrder);
    if (fresh) element.on("plotly_afterplot", () => leaveOutOfTabOrder(element));
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
    }, { rootMargin: "400px" });
    waiting.forEach((element) => observer.observe(element.closest("figure")));
    dark.addEventListener("change", () => document.querySelectorAll(".drawn .plot").forEach(draw));
  }

  // The page shows still figures at once; the code that makes them interactive is parsed after.
  function loadPlotly() {
    const code = document.createElement("script");
    code.textContent = document.getElementById("plotly").textContent;
    document.head.append(code);
    drawAll();
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

  // The rules of src/campaign/tolerance.cpp, for any accuracy.
  function sideOf(plan, cell, limit) {
    if (plan.search_within !== null) {
      if (cell.stop !== "decided") return "unsure";
      return cell.mean >= limit ? "keeps" : "costs";
    }
    const [low, high] = cell.skew_ci ?? cell.ci;
    if (low !== null && low >= limit) return "keeps";
    return high !== null && high < limit ? "costs" : "unsure";
  }

  function curveOf(plan, model, kind, limit) {
    return plan.cells
      .filter((cell) => cell.model === model && cell.kind === kind && cell.trials > 0)
      .sort((a, b) => a.level - b.level)
      .map((cell) => ({ place: plan.levels[cell.level].count ?? plan.levels[cell.level].rate,
        level: plan.levels[cell.level], mean: cell.mean, side: sideOf(plan, cell, limit) }));
  }

  function between(before, after, golden, limit) {
    const wanted = golden - limit;
    const [from, to] = [golden - before.mean, golden - after.mean];
    if (before.place <= 0) return (wanted - from) / (to - from) * after.place;
    const ratio = after.place / before.place;
    const loss = Math.max(from, 0.1 * to / ratio);
    if (loss >= wanted) return before.place;
    return before.place * ratio ** (Math.log(wanted / loss) / Math.log(to / loss));
  }

  function toleranceOf(plan, model, kind, limit) {
    const golden = plan.models[model].golden_accuracy;
    const curve = curveOf(plan, model, kind, limit);
    const last = curve.length - 1;
    const costs = curve.findIndex((point) => golden - point.mean > golden - limit);
    const kept = (() => {
      const first = curve.findIndex((point) => point.side !== "keeps");
      return first < 0 ? last : first - 1;
    })();
    const lost = curve.findIndex((point) => point.side === "costs");
    const fromNothing = curve[0].place === 0;
    return {
      below: costs === 0 && !fromNothing, beyond: costs < 0,
      rate: costs === 0 ? curve[0].place : costs < 0 ? curve[last].place
        : between(curve[costs - 1], curve[costs], golden, limit),
      lowBelow: kept < 0 && !fromNothing, highBeyond: lost < 0,
      low: curve[Math.max(kept, 0)].place, high: curve[lost < 0 ? last : lost].place,
      voltage: kept < 0 ? null : curve[kept].level.voltage ?? null,
    };
  }

  function protectionOf(data, hash, limit) {
    const artifact = data.artifacts.find((item) => item.content.flatenn_result === "sensitivity" &&
      item.content.model_hash === hash && item.content.result.hardening);
    if (!artifact) return {};
    const { hardening, check_codes: codes } = artifact.content.result;
    const step = hardening.steps.find((item) => item.accuracy >= limit);
    const code = (codes?.codes ?? []).filter((item) => item.accuracy >= limit)
      .sort((a, b) => a.extra_share - b.extra_share)[0];
    return { hardened: step && 100 * step.hardened_share, code: code?.name,
      extra: code && 100 * code.extra_share };
  }

  function show(cell, value, digits, sign = "") {
    const known = value !== undefined && value !== null;
    cell.textContent = known ? sign + value.toFixed(digits) : "";
    cell.dataset.value = known ? value : "";
  }

  function answer(designer, data) {
    const plan = data.plans[Number(designer.dataset.plan)];
    const { need, drop } = designer.querySelector("form").elements;
    const column = (name) => designer.dataset.columns.split(" ").indexOf(name);
    const absolute = need.value !== "" && Number.isFinite(need.valueAsNumber);
    const points = Number.isFinite(drop.valueAsNumber) ? drop.valueAsNumber : 100 * plan.tolerated_drop;
    designer.querySelector(".asked").textContent = absolute
      ? `For at least ${need.valueAsNumber} % accuracy.` : `For at most ${points} points below fault-free.`;
    const counts = plan.levels.some((level) => level.count !== undefined);
    const [factor, digits] = counts ? [1, 1] : [100, 3];
    for (const row of designer.querySelectorAll("[data-tolerance]")) {
      const { model, kind } = plan.tolerances[Number(row.dataset.tolerance)];
      const golden = plan.models[model].golden_accuracy;
      const limit = (absolute ? need.valueAsNumber / 100 : golden - points / 100) - 1e-9;
      const put = (name, ...what) => { if (column(name) >= 0) show(row.cells[column(name)], ...what); };
      if (golden < limit) { // not even without faults
        for (const name of ["surely", "surely_not", "voltage", "hardened_percent", "extra_percent"]) put(name, null, 0);
        put("tolerable", null, 0);
        row.cells[column("tolerable")].textContent = "never";
        if (column("code") >= 0) row.cells[column("code")].textContent = "";
        continue;
      }
      const found = toleranceOf(plan, model, kind, limit);
      put("tolerable", factor * found.rate, digits, found.below ? "<\u00a0" : found.beyond ? "≥\u00a0" : "");
      put("surely", factor * found.low, digits, found.lowBelow ? "<\u00a0" : "");
      put("surely_not", factor * found.high, digits, found.highBeyond ? "≥\u00a0" : "");
      put("voltage", found.voltage, 3);
      const protection = protectionOf(data, plan.models[model].hash, limit);
      put("hardened_percent", protection.hardened, 1);
      put("extra_percent", protection.extra, 1);
      if (column("code") >= 0) row.cells[column("code")].textContent = protection.code ?? "";
    }
  }

  function setUpDesigners() {
    let data = null;
    for (const designer of document.querySelectorAll(".designer")) {
      const form = designer.querySelector("form");
      form.hidden = false;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", (event) => {
        if (event.target.name === "drop") form.elements.need.value = "";
        answer(designer, data ??= json("flatenn-data"));
      });
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button) sortBy(button.closest("th"));
  });
  setUpDesigners();
  requestAnimationFrame(() => setTimeout(loadPlotly, 0));
})();
