// A real browser on the wallboard, and what tests ask of its pages.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--no-first-run",
    ],
  });
}

/** A page that keeps what went wrong in it: scripts that fail, and whatever its policy refused. */
export async function open(browser, url, { width = 1920, height = 1080, token, colours = "dark" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: colours, locale: "en-GB" });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error.stack)));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/.test(message.text())) page.faults.push(message.text());
  });
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (origin !== new URL(url).origin && !request.url().startsWith("data:")) page.faults.push(`asks ${origin}`);
  });
  if (token) await page.addInitScript((token) => sessionStorage.setItem("callpulse.token", token), token);
  await page.goto(url);
  return page;
}

/** What axe finds that is serious or critical. */
export async function grave(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.slice(0, 3).map((node) => `${node.html} (${node.any[0]?.message ?? ""})`).join(" | ")}`);
}

/** Tries until it holds; what it says last is told if it never does. */
export async function until(what, seconds, holds) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      last = await holds();
      if (last === true) return;
    } catch (error) {
      last = error;
    }
    if (deadline < Date.now()) throw new Error(`${what}: not within ${seconds} s; last: ${last?.stack ?? JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

export function check(holds, what) {
  if (!holds) throw new Error(what);
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test program do something to the server, waits until it is done, and returns what it says. */
export async function ask(word) {
  process.stdout.write(`? ${word}\n`);
  return (await answers.next()).value;
}

/** Runs the steps one after the other, each named when it is done, and ends with whether all went well. */
export async function story(steps) {
  const browser = await launch();
  try {
    for (const [name, step] of steps) {
      const begin = Date.now();
      await step(browser);
      console.log(`${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
    }
  } catch (error) {
    console.log(`failed: ${error.stack}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.exit();
  }
}
