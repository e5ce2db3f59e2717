"use strict";
// report_test.js PAGE.html [PATTERN]: asks a report, as a browser shows it, what its readers
// would find; PATTERN: only the tests whose names match. Exit code 77 where there is no browser.

const assert = require("node:assert");
const { pathToFileURL } = require("node:url");
const { axeSource, launch, missing } = require("./browser.js");

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const PATIENCE_MS = 240000; // of a machine that is busy
const tests = [];
const test = (name, options, body) => tests.push({ name, options, body });

/** Scrolls through the page so that every chart is drawn. */
async function drawAll(page) {
  await page.waitForSelector("figure.drawn .main-svg");
  const figures = await page.locator("figure").all();
  for (const figure of figures) {
    await figure.scrollIntoViewIfNeeded();
    await figure.locator(".main-svg").first().waitFor({ state: "attached" });
  }
}

const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((item) => { item.open = true; }));

async function axeFindings(page) {
  await page.evaluate(axeSource());
  const found = await page.evaluate(() => window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.map((item) => `${item.id}: ${item.help}: ` +
    item.nodes.slice(0, 3).map((node) => `${node.target} ${node.html.slice(0, 100)}`).join(" | "));
}

const rows = (page) => page.$$eval(".designer tbody tr", (all) => all.map((row) => row.innerText));

// --- desktop

test("the answer and the first chart are in sight", DESKTOP, async (page) => {
  const lead = await page.locator(".lead").first().boundingBox();
  const hero = await page.locator("#hero").boundingBox();
  assert(lead.y + lead.height < 700 && hero.y < 800, JSON.stringify({ lead, hero }));
});

test("every chart is drawn", DESKTOP, async (page) => {
  await drawAll(page);
  assert(await page.locator("figure.drawn").count() === await page.locator("figure").count());
});

test("every chart is told in words, and none is read aloud tick by tick", DESKTOP, async (page) => {
  await drawAll(page);
  const figures = await page.$$eval("figure", (all) => all.map((figure) => ({
    words: figure.querySelector(".told").checkVisibility() ? figure.querySelector(".told").textContent : "",
    silent: [...figure.querySelectorAll("svg")].every((svg) => svg.closest("[aria-hidden=true]")),
    stops: [...figure.querySelectorAll("a, button, [tabindex]")].filter((item) => item.tabIndex >= 0).length,
  })));
  for (const { words, silent, stops } of figures) {
    assert(words.length > 40 && silent && stops === 0, JSON.stringify({ words, silent, stops }));
  }
});

test("a hidden legend entry takes its fault-free line along", DESKTOP, async (page) => {
  await page.waitForSelector("#hero .legendtoggle");
  const shown = () => page.$$eval("#hero .scatterlayer .trace", (all) => all.length);
  const before = await shown();
  const box = await page.locator("#hero .legendtoggle").first().boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.waitForFunction((count) =>
    document.querySelectorAll("#hero .scatterlayer .trace").length < count, before);
  const names = await page.$eval("#hero .plot", (plot) => {
    const hidden = plot.data.filter((trace) => trace.visible === "legendonly" || trace.visible === false);
    const group = hidden[0].legendgroup;
    return { group, left: plot._fullData.filter((t) => t.legendgroup === group && t.visible === true).length };
  });
  assert(names.group && names.left === 0, JSON.stringify(names));
});

test("the designer's form gives what the program computed", DESKTOP, async (page) => {
  const before = await rows(page);
  await page.locator(".designer input[name=drop]").first().dispatchEvent("input");
  assert.deepStrictEqual(await rows(page), before);
});

test("the designer's form answers for other accuracies", DESKTOP, async (page) => {
  const need = page.locator(".designer input[name=need]").first();
  await need.fill("100");
  assert((await rows(page)).every((row) => !row.includes("≥")), String(await rows(page)));
  await need.fill("0");
  assert((await rows(page)).every((row) => row.includes("≥")), String(await rows(page)));
});

test("headings sort tables", DESKTOP, async (page) => {
  await unfold(page);
  const table = page.locator("table").last();
  const values = () => table.evaluate((item) => [...item.tBodies[0].rows].map((row) =>
    Number([...row.cells].find((cell) => cell.dataset.value)?.dataset.value)));
  const heading = table.locator("th.number button").first();
  await heading.click();
  const rising = await values();
  assert.deepStrictEqual(rising, [...rising].sort((a, b) => a - b));
  await heading.click();
  assert.deepStrictEqual(await values(), [...rising].sort((a, b) => b - a));
});

test("the contents stay in sight", DESKTOP, async (page) => {
  await page.evaluate(() => window.scrollTo({ top: 2000, behavior: "instant" }));
  const top = await page.$eval("nav", (nav) => nav.getBoundingClientRect().top);
  assert(Math.abs(top) <= 1, String(top));
});

test("figures show without scripts", { ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  const figure = page.locator("#hero .still > svg");
  assert((await figure.boundingBox()).height > 100);
});

// --- phone

test("nothing is wider than a phone", PHONE, async (page) => {
  await drawAll(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(wide <= 391, String(wide));
});

test("a finger on a chart scrolls the page and leaves the chart alone", PHONE, async (page) => {
  await page.waitForSelector("#hero.drawn .main-svg");
  await page.locator("#hero").scrollIntoViewIfNeeded();
  const ranges = () => page.$eval("#hero .plot", (plot) =>
    [plot._fullLayout.xaxis.range, plot._fullLayout.yaxis.range]);
  const [before, from] = [await ranges(), await page.evaluate(() => window.scrollY)];
  const box = await page.locator("#hero .nsewdrag").first().boundingBox();
  const session = await page.context().newCDPSession(page);
  const touch = (type, ...touchPoints) => session.send("Input.dispatchTouchEvent", { type, touchPoints });
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await touch("touchStart", { x, y });
  for (let i = 1; i <= 10; ++i) await touch("touchMove", { x, y: y - 25 * i });
  await touch("touchEnd");
  await page.waitForTimeout(300);
  const to = await page.evaluate(() => window.scrollY);
  assert(to - from > 150, `scrolled from ${from} to ${to}`);
  assert.deepStrictEqual(await ranges(), before);
});

test("what a finger touches is large enough", PHONE, async (page) => {
  const small = await page.$$eval("nav a, summary, .designer input", (all) => all
    .map((item) => ({ text: item.textContent, height: item.getBoundingClientRect().height }))
    .filter((item) => item.height > 0 && item.height < 24));
  assert.deepStrictEqual(small, []);
});

// --- dark

/** Texts of charts whose contrast with the page is below 4.5 (WCAG 2.2, 1.4.3). */
function faintTexts() {
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll(".plot text")].filter((text) => text.textContent.trim())
    .filter((text) => !text.closest(".hoverlayer, .heatmaplayer, .contourlayer"))
    .map((text) => ({ text: text.textContent, ink: luminance(getComputedStyle(text).fill) }))
    .map(({ text, ink }) => ({ text,
      contrast: (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05) }))
    .filter(({ contrast }) => contrast < 4.5);
}

for (const colorScheme of ["light", "dark"]) {
  test(`texts of charts stand out under a ${colorScheme} setting`, { ...DESKTOP, colorScheme }, async (page) => {
    await drawAll(page);
    assert.deepStrictEqual(await page.evaluate(faintTexts), []);
  });
}

test("a dark setting makes everything dark", { ...DESKTOP, colorScheme: "dark" }, async (page) => {
  await drawAll(page);
  const light = await page.evaluate(() => {
    const bright = (colour) => {
      const [r, g, b, alpha = 1] = (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
      return alpha > 0.2 && (0.299 * r + 0.587 * g + 0.114 * b) > 128;
    };
    return [...document.querySelectorAll("body, nav, .lead, table, th, tr, pre, input, .main-svg")]
      .filter((item) => bright(getComputedStyle(item).backgroundColor))
      .map((item) => `${item.tagName} ${item.className}`);
  });
  assert.deepStrictEqual(light, []);
});

// --- print

test("paper holds the answer, the figures and no listings", DESKTOP, async (page) => {
  await drawAll(page);
  const pdf = (await page.pdf({ format: "A4", printBackground: false })).toString("latin1");
  const pages = pdf.match(/\/Type\s*\/Page\b/g).length;
  const figures = await page.locator("figure").count();
  assert(pages <= 5 + figures / 2, `${pages} pages for ${figures} figures`);
  await page.emulateMedia({ media: "print" });
  const seen = await page.$$eval("pre, nav, .designer form, .modebar, figure.drawn .plot",
    (all) => all.filter((item) => item.checkVisibility()).map((item) => item.className || item.tagName));
  assert.deepStrictEqual(seen, []);
  assert(await page.locator(".lead").first().isVisible() && await page.locator("#hero .still").isVisible());
});

test("paper is black on white under a dark setting", { ...DESKTOP, colorScheme: "dark" }, async (page) => {
  await page.emulateMedia({ media: "print" });
  const colours = await page.$eval("body", (body) => [getComputedStyle(body).color,
    getComputedStyle(body).backgroundColor]);
  assert.deepStrictEqual(colours, ["rgb(27, 31, 36)", "rgb(255, 255, 255)"]);
});

// --- keyboard

test("the keyboard goes through the page in few stops, each in sight",
  { ...DESKTOP, reducedMotion: "reduce" }, async (page) => {
  await drawAll(page);
  await page.evaluate(() => { window.scrollTo(0, 0); document.activeElement?.blur(); });
  const stops = [];
  for (let i = 0; i < 200; ++i) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const item = document.activeElement;
      if (item === document.body || item === null) return null;
      const style = getComputedStyle(item);
      const box = item.getBoundingClientRect();
      const bar = document.querySelector("nav");
      const below = bar.contains(item) || item.className === "skip" ? 0 : bar.getBoundingClientRect().bottom;
      return { what: `${item.tagName} ${item.className} ${item.textContent.slice(0, 30)}`,
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
        inSight: box.bottom > below && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
    });
    if (stop === null) break;
    stops.push(stop);
  }
  assert(stops[0].what.includes("skip"), stops[0].what);
  assert(stops.length < 80, `${stops.length} stops`);
  assert.deepStrictEqual(stops.filter((stop) => !stop.outlined || !stop.inSight), []);
});

test("the keyboard sorts, unfolds and skips", DESKTOP, async (page) => {
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert((await page.evaluate(() => location.hash)) === "#content");
  const fold = page.locator("details").first();
  await fold.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert(await fold.evaluate((item) => item.open));
  const heading = page.locator(".designer th.number button").first();
  await heading.focus();
  await page.keyboard.press("Enter");
  assert(await page.locator(".designer th[aria-sort]").count() === 1);
});

// --- axe

for (const [name, options] of Object.entries({ desktop: DESKTOP, phone: PHONE,
  "dark desktop": { ...DESKTOP, colorScheme: "dark" } })) {
  test(`axe finds nothing: ${name}`, options, async (page) => {
    await drawAll(page);
    await unfold(page);
    assert.deepStrictEqual(await axeFindings(page), []);
  });
}

async function run(browser, file, { name, options, body }) {
  const faults = [];
  let context = null;
  try {
    context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
    page.on("request", (request) => { if (request.url().startsWith("http")) faults.push(request.url()); });
    await page.goto(pathToFileURL(file).href);
    await body(page);
    assert.notStrictEqual(await page.title(), "broken", "a name was run as code");
    assert.deepStrictEqual(faults, []);
    console.log("ok  ", name);
    return true;
  } catch (error) {
    console.log("FAIL", name, "\n    ", String(error.message).slice(0, 3000));
    return false;
  } finally {
    await context?.close();
  }
}

async function main(file, only = "") {
  const reason = missing();
  if (reason) {
    console.log(`skipped: ${reason}`);
    return 77;
  }
  if (file === "--missing") return 0; // only asked whether there is a browser
  const browser = await launch();
  let passed = true;
  for (const item of tests) {
    if (new RegExp(only).test(item.name)) passed = await run(browser, file, item) && passed;
  }
  await browser.close();
  return passed ? 0 : 1;
}

main(...process.argv.slice(2)).then((code) => { process.exitCode = code; });
