// Takes the pictures of docs/pictures from a running demo, in a real browser.
//
//   callpulse demo --speed 2 &
//   node pictures.mjs http://127.0.0.1:8080 $!     it is ended for the last picture, of a page that is cut off
//
// Needs pngquant, which makes them small.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, open, until } from "./test/page.mjs";

const [base, demo] = process.argv.slice(2);
const folder = join(dirname(fileURLToPath(import.meta.url)), "../docs/pictures");
const wall = { width: 1920, height: 1080 };
const phone = { width: 390, height: 844 };
const pictures = [
  ["overview", "theme=dark", wall],
  ["queues", "view=queues&theme=light", wall],
  ["agents", "view=agents&theme=dark", wall],
  ["queue", "view=entity&kind=queue&id=sales&theme=dark", wall],
  ["alerts", "view=alerts&theme=light", wall],
  ["persian", "lang=fa&theme=dark", wall],
  ["phone", "theme=dark", phone],
];

function save(name) {
  const file = join(folder, `${name}.png`);
  execFileSync("pngquant", ["--force", "--strip", "--speed", "1", "--output", file, "64", file]);
  console.log(`${name}: ${(statSync(file).size / 1024).toFixed(0)} kB`);
}

const browser = await launch();
for (const [name, query, size] of pictures) {
  const page = await open(browser, `${base}/?${query}`, size);
  await page.waitForSelector(".tile data, tbody tr[data-row], .alerts");
  await until("live", 30, async () => (await page.locator("main").getAttribute("data-trouble")) === "none");
  if (name === "queue") await page.waitForSelector(".curve, [data-history]:not([data-history=loading])");
  await page.screenshot({ path: join(folder, `${name}.png`) });
  save(name);
  if (name === "phone") {
    process.kill(Number(demo));
    await page.waitForSelector(".banner.lost", { timeout: 30_000 });
    await page.screenshot({ path: join(folder, "lost.png") });
    save("lost");
  }
  await page.context().close();
}
await browser.close();
