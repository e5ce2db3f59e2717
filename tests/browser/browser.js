"use strict";
// Debian's Chromium, driven by playwright-core of tools/node.

const fs = require("node:fs");
const path = require("node:path");

const MODULES = path.join(__dirname, "../../tools/node/node_modules");
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

function chromiumPath() {
  const folders = (process.env.PATH ?? "").split(":");
  return PROGRAMS.flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => fs.existsSync(file));
}

/** Why no browser can be had here, or null. */
function missing() {
  if (!chromiumPath()) return "no Chromium (apt-get install chromium)";
  for (const name of ["playwright-core", "axe-core"]) {
    if (!fs.existsSync(path.join(MODULES, name))) return `no ${name} (./dev setup)`;
  }
  return null;
}

function launch() {
  const { chromium } = require(path.join(MODULES, "playwright-core"));
  return chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox", "--disable-gpu"] });
}

const axeSource = () => fs.readFileSync(path.join(MODULES, "axe-core/axe.min.js"), "utf8");

module.exports = { missing, launch, axeSource };
