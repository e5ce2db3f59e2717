"use strict";
// time_page.js PAGE.html [TIMES]: when the first chart is visible and when it is interactive, in
// headless Chromium: the median of TIMES (5) loads, each in a fresh profile, in seconds.

const { pathToFileURL } = require("node:url");
const { launch, missing } = require("./browser.js");

// Notes when the first chart is painted, and when Plotly has drawn it and the page answers again.
function watch() {
  window.times = {};
  const look = () => {
    const still = document.querySelector("figure .still svg");
    if (still && still.getBoundingClientRect().height > 0 && window.times.visible === undefined) {
      window.times.visible = null;
      requestAnimationFrame(() => setTimeout(() => { window.times.visible = performance.now(); }));
    }
    if (document.querySelector("figure.drawn .plot .main-svg")) {
      setTimeout(() => { window.times.interactive = performance.now(); });
      return;
    }
    setTimeout(look, 5);
  };
  look();
}

async function timeOnce(url) {
  const browser = await launch();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.addInitScript(watch);
    await page.goto(url);
    await page.waitForFunction(() => window.times.interactive > 0, null, { timeout: 60000 });
    return await page.evaluate(() => window.times);
  } finally {
    await browser.close();
  }
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function main(file, times = "5") {
  const reason = missing();
  if (reason) {
    console.log(`not timed in a browser: ${reason}`);
    return;
  }
  const found = [];
  for (let i = 0; i < Number(times); ++i) found.push(await timeOnce(pathToFileURL(file).href));
  for (const what of ["visible", "interactive"]) {
    const seconds = median(found.map((item) => item[what])) / 1000;
    console.log(`first chart ${what} after ${seconds.toFixed(2)} s`);
  }
}

main(...process.argv.slice(2));
