// Draws every dashboard into pictures: npm run draw -- http://127.0.0.1:9090 ../../../docs/pictures
//
// Needs a Chromium (CHROMIUM, else /usr/bin/chromium) and a Prometheus that has scraped Callpulse for a while.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import UPNG from 'upng-js';
import { createServer } from 'vite';

const [prometheus = 'http://127.0.0.1:9090', folder = '../../../docs/pictures', minutes = '60'] = process.argv.slice(2);
const COLOURS = 96;
const given = { 'callpulse-queue': '&queue=support' };

mkdirSync(folder, { recursive: true });
const server = await createServer({ configFile: 'vite.config.js' });
await server.listen();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
for (const file of readdirSync('../dashboards').filter((file) => file.endsWith('.json'))) {
  const name = file.replace('.json', '');
  const parameters = `dashboard=${name}&prometheus=${encodeURIComponent(prometheus)}&minutes=${minutes}${given[name] ?? ''}`;
  const failed = new Promise((_, reject) => page.once('pageerror', reject));
  await page.goto(`${server.resolvedUrls.local[0]}?${parameters}`, { waitUntil: 'commit' });
  await Promise.race([failed, page.waitForSelector('body[data-drawn]', { timeout: 300_000 })]);
  await page.waitForLoadState('networkidle');
  const shot = await page.locator('#page').screenshot();
  const image = UPNG.decode(shot.buffer.slice(shot.byteOffset, shot.byteOffset + shot.length));
  const small = Buffer.from(UPNG.encode(UPNG.toRGBA8(image), image.width, image.height, COLOURS));
  const path = `${folder}/grafana-${name.replace('callpulse-', '')}.png`;
  writeFileSync(path, small);
  console.log(path, image.width, image.height, `${Math.round(small.length / 1000)} kB`);
}
await browser.close();
await server.close();
