// The wallboard over a running engine: loads, shows the API's numbers, follows events, says when it is cut off.
//
//   node live.mjs URL TOKEN     `? begin` on standard output asks for the first half hour of events, `? call`, `? alert` and
//                               `? resolve` for one more, `? stop` and `? go` for the engine's process to stand still and to go on
import { ask, check, grave, open, story, until } from "./page.mjs";

const [base, token] = process.argv.slice(2);
const api = async (path) => {
  const answer = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } });
  check(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
};
const record = async (kind, id, window) => (await api(`/api/v1/kpis?kind=${kind}&id=${id}&window=${window}&channel=all`)).kpis[0];

/** A number as the page has to show it, written anew here. */
function shown(tag, kpi) {
  if (kpi.value === null) return "–";
  const whole = (n, digits = 1) => new Intl.NumberFormat(tag, { minimumIntegerDigits: digits, useGrouping: false }).format(n);
  if (kpi.unit === "s") {
    const s = Math.round(kpi.value);
    return `${whole(Math.floor(s / 60))}:${whole(s % 60, 2)}`;
  }
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(tag, { style: "percent", ...digits }).format(kpi.value);
}

const tile = (page, id) => page.locator(`.tile[data-kpi="${id}"] .value`);
const trouble = (page) => page.locator("main[data-trouble]").getAttribute("data-trouble");

/** The numbers of a page are those of the API, to the last digit, and written as the language has it. */
async function isTheApis(page, tag) {
  const [recent, now] = await Promise.all([record("queue", "sales", "30m"), record("queue", "sales", "now")]);
  for (const id of ["service_level", "abandonment_rate", "average_speed_of_answer"]) {
    const kpi = recent.kpis[id];
    const text = await tile(page, id).innerText();
    if (text !== shown(tag, kpi)) return `${id} is ${text}, and ${shown(tag, kpi)} in the API`;
    const exact = kpi.value === null ? null : await tile(page, id).locator("data").getAttribute("value");
    if (exact !== null && Number(exact) !== kpi.value) return `${id} is exactly ${exact}, and ${kpi.value} in the API`;
  }
  const waiting = await tile(page, "waiting").innerText();
  const wanted = new Intl.NumberFormat(tag).format(now.now.waiting);
  return waiting === wanted ? true : `${waiting} wait, and ${wanted} in the API`;
}

/** Every large number is seen whole. */
async function fits(page) {
  const cut = await page.evaluate(() => {
    const values = [...document.querySelectorAll(".tile .value")];
    return values.filter((value) => value.clientWidth + 1 < value.firstElementChild.getBoundingClientRect().width).map((value) => value.innerText);
  });
  check(cut.length === 0, `${cut.join(", ")} does not fit`);
}

let page;
const SALES = "view=entity&kind=queue&id=sales&window=30m";
/** Any view is drawn. */
const SHOWN = ".tile, tbody tr[data-row], .attention h1, .alerts h1";
/** How many alerts the bar says fire. */
const counted = (page) => page.locator(".top [data-alerts]").getAttribute("data-alerts");
const row = (page, state) => page.locator(`.alert[data-alert=abandonment][data-state=${state}]`);

await story([
  ["a page opened before the first event shows what comes", async (browser) => {
    const one = await open(browser, `${base}/`, { token });
    await one.waitForSelector(".tile[data-kpi=service_level]");
    check((await tile(one, "service_level").innerText()) === "–", "no number is made up");
    await ask("begin");
    await one.waitForSelector(".tile[data-kpi=service_level] data", { timeout: 60_000 });
    await until("live", 30, async () => (await trouble(one)) === "none");
    check(one.faults.length === 0, one.faults.join("\n"));
    await one.context().close();
  }],
  ["where nothing is known nothing is said to be well", async (browser) => {
    const one = await open(browser, `${base}/`, { token });
    await one.route("**/api/v1/stream*", (asked) => asked.abort());
    for (const view of ["attention", "alerts"]) {
      await one.goto(`${base}/?view=${view}`);
      await one.waitForSelector(`.${view} h1`);
      const said = await one.locator("main").innerText();
      check(said.startsWith("It is not known yet") && !/Nothing|None/.test(said), said);
      check((await trouble(one)) === "connecting", "the banner says why");
    }
    await one.context().close();
  }],
  ["a token is asked for, a wrong one refused", async (browser) => {
    page = await open(browser, `${base}/`);
    await page.fill("input[name=token]", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".token .status.s2");
    check((await grave(page)).length === 0, (await grave(page)).join("\n"));
    await page.fill("input[name=token]", token);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".tile[data-kpi=service_level] data");
    await until("live", 20, async () => (await trouble(page)) === "none");
    check((await page.locator(".age").innerText()).includes("As of"), "the age of the numbers is in sight");
    await fits(page);
  }],
  ["the numbers are the API's, in four languages", async (browser) => {
    for (const [tag, dir] of [["en", "ltr"], ["fa", "rtl"], ["hu", "ltr"], ["zh-CN", "ltr"]]) {
      const one = await open(browser, `${base}/?${SALES}&lang=${tag}`, { token });
      await one.waitForSelector(".tile[data-kpi=service_level] data");
      await until(tag, 10, () => isTheApis(one, tag));
      check((await one.locator("html").getAttribute("dir")) === dir, `${tag} runs ${dir}`);
      check((await one.locator("html").getAttribute("lang")) === tag, `the page says that it is ${tag}`);
      const age = await one.locator(".age .at").innerText();
      check(/[۰-۹]/.test(age) === (tag === "fa"), `digits of ${tag}: ${age}`);
      const box = async (id) => (await one.locator(`.tile[data-kpi="${id}"]`).boundingBox()).x;
      check((await box("service_level")) < (await box("waiting")) === (dir === "ltr"), `${tag} begins at its own side`);
      await fits(one);
      await one.waitForSelector(".whole tr[data-kpi]");
      const said = await one.locator(".whole tbody th, .whole .formula").allInnerTexts();
      const bare = said.filter((text) => text === "" || (["fa", "zh-CN"].includes(tag) && /[a-z]/i.test(text)));
      check(40 < said.length && bare.length === 0, `${tag} has no words of its own for ${bare.join(", ")}`);
      const level = await one.locator('.whole tr[data-kpi="service_level"] .formula').innerText();
      check(tag !== "en" || level === "answered within the threshold / (answered + abandoned − short abandons)", level);
      check(one.faults.length === 0, one.faults.join("\n"));
      await one.context().close();
    }
  }],
  ["the page follows events", async (browser) => {
    const one = await open(browser, `${base}/?${SALES}`, { token });
    await one.waitForSelector(".tile[data-kpi=waiting] data");
    const before = Number(await tile(one, "waiting").innerText());
    await ask("call");
    await until("one more waits", 10, async () => Number(await tile(one, "waiting").innerText()) === before + 1);
    const wait = await tile(one, "longest_wait").innerText();
    await until("the wait counts on", 10, async () => (await tile(one, "longest_wait").innerText()) !== wait);
    await until("the API says the same", 10, () => isTheApis(one, "en"));
    const curve = one.locator("[data-curve=service_level] svg");
    await until("the day has its curve", 30, async () => /lowest .*%/.test(await curve.getAttribute("aria-label")));
    await one.context().close();
  }],
  ["an alert that fires is seen wherever people look", async (browser) => {
    const one = await open(browser, `${base}/`, { token });
    await until("none fires, but what always does", 120, async () => (await counted(one)) === "0");
    await ask("alert");
    await until("the bar counts one", 10, async () => (await counted(one)) === "1");
    const mark = (within) => one.locator(`${within} [data-alerts="1"]`);
    await until("its card is marked", 5, async () => (await mark('.card[data-entity="default|queue|sales"]').count()) === 1);
    check((await one.locator(".card [data-alerts]").count()) === 1, "no other card is");
    await until("the title counts it", 5, async () => (await one.title()).startsWith("(1)"));
    await one.keyboard.press("2");
    await until("its row is marked", 10, async () => (await mark("tbody tr[data-row]").count()) === 1);
    await one.keyboard.press("5");
    await row(one, "firing").waitFor();
    check(new URL(one.url()).searchParams.get("view") === "alerts", "5 leads to the alerts");
    const text = await row(one, "firing").innerText();
    for (const part of ["abandonment rate of Sales is 12.3 %", "Critical", "12.3%", "37 of 301", "fires above 10.0%", "for "]) {
      check(text.includes(part), `${part} is not in ${text}`);
    }
    const runbook = row(one, "firing").getByRole("link", { name: "Runbook" });
    check((await runbook.getAttribute("href")) === "https://example.org/abandonment", "the runbook is a link");
    check((await row(one, "firing").locator("a[href^=javascript]").count()) === 0, "what is no page is no link");
    check((await grave(one)).length === 0, (await grave(one)).join("\n"));
    await row(one, "firing").getByRole("link", { name: "Sales", exact: true }).focus();
    await one.keyboard.press("Enter");
    await one.waitForSelector(".entity h1");
    check(new URL(one.url()).searchParams.get("id") === "sales", "its queue is a link");
    check((await row(one, "firing").count()) === 1, "the queue's own view tells it");
    check((await grave(one)).length === 0, (await grave(one)).join("\n"));
    await one.goto(`${base}/?kiosk=1`);
    await until("a kiosk says it in words", 10, async () => (await one.locator(".top.kiosk").innerText()).includes("1 alert fires"));
    for (const [tag, word, share] of [["fa", "بحرانی", "۱۲٫۳٪"], ["hu", "Kritikus", "12,3%"], ["zh-CN", "严重", "12.3%"]]) {
      await one.goto(`${base}/?view=alerts&lang=${tag}`);
      await row(one, "firing").waitFor();
      // Marks of direction are not seen.
      const told = (await row(one, "firing").innerText()).replace(/[\u200e\u200f\u061c]/g, "");
      check(told.includes(word) && told.includes(share), `${tag}: ${told}`);
      check((await grave(one)).length === 0, `${tag}: ${(await grave(one)).join("\n")}`);
    }
    check(one.faults.length === 0, one.faults.join("\n"));
    await one.context().close();
  }],
  ["nothing grave in any view, dark and light", async (browser) => {
    for (const colours of ["dark", "light"]) {
      const one = await open(browser, `${base}/?theme=${colours}`, { token, colours });
      const views = ["", "view=queues", "view=agents", "view=attention", "view=alerts", SALES];
      for (const query of colours === "dark" ? [...views, "lang=fa&kiosk=1"] : views) {
        await one.goto(`${base}/?${query}&theme=${colours}`);
        await one.waitForSelector(SHOWN);
        await until("live", 10, async () => (await trouble(one)) === "none");
        const found = await grave(one);
        check(found.length === 0, `${query} ${colours}:\n${found.join("\n")}`);
      }
      check(one.faults.length === 0, one.faults.join("\n"));
      await one.context().close();
    }
  }],
  ["everything is reached by keys", async (browser) => {
    const one = await open(browser, `${base}/`, { token });
    await one.waitForSelector(".tile");
    const at = (name) => new URL(one.url()).searchParams.get(name);
    const press = (key) => one.keyboard.press(key);
    await press("2");
    await one.waitForSelector("tbody tr[data-row]");
    check(at("view") === "queues", "2 leads to the queues");
    await press("/");
    await one.keyboard.type("sal");
    await until("filtered", 5, async () => (await one.locator("tbody tr[data-row]").count()) === 1);
    check(at("filter") === "sal", "the filter stands in the address");
    const isInFirstRow = () => one.evaluate(() => document.activeElement.closest("tr[data-row]")?.dataset.row === "0");
    for (const key of ["ArrowDown", "Enter"]) {
      await press(key);
      await until(`${key} leads from the filter to the first row`, 5, isInFirstRow);
      await press("/");
    }
    check(at("view") === "queues", "and opens nothing");
    await press("Escape");
    await one.locator("th[data-column=waiting] button").focus();
    await press("Enter");
    check(at("sort") === "-waiting", "a column sorts by key");
    check((await one.locator("th[data-column=waiting]").getAttribute("aria-sort")) === "descending", "the order is told");
    await press("ArrowDown");
    await one.locator(".grid").focus();
    await press("ArrowDown");
    await until("a row has the focus", 5, () => one.evaluate(() => document.activeElement.closest("tr[data-row]") !== null));
    const outline = await one.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    check(outline !== "none", "the focus is seen");
    await press("Enter");
    await one.waitForSelector(".entity h1");
    check(at("view") === "entity" && at("id") === "sales", `Enter opens the row: ${one.url()}`);
    await press("?");
    await one.waitForSelector("dialog[open]");
    check((await grave(one)).length === 0, (await grave(one)).join("\n"));
    await press("Escape");
    await one.waitForSelector("dialog", { state: "detached" });
    await press("l");
    await press("Escape");
    await until("back among the queues", 5, isInFirstRow);
    check(["view", "filter", "sort"].map(at).join() === "queues,sal,-waiting", `as they were left: ${one.url()}`);
    check(at("lang") === "fa", "in the language chosen meanwhile");
    await press("Escape");
    await one.waitForSelector(".board");
    await until("Persian", 5, async () => (await one.locator("html").getAttribute("dir")) === "rtl");
    await press("t");
    await until("light", 5, async () => (await one.locator("html").getAttribute("data-theme")) === "light");
    await press("g");
    check(at("group") === "front", "g leads to the next group");
    await press("w");
    check(at("window") !== null, "w leads to the next window");
    await press("k");
    await one.waitForSelector(".top.kiosk");
    check((await one.locator("select").count()) === 0, "a kiosk has no controls");
    await press("Escape");
    await one.waitForSelector(".top nav");
    await press("l");
    check(at("lang") === "hu", "l leads to the next language");
    await one.goBack();
    await one.waitForSelector(".top.kiosk");
    check(at("lang") === "hu", "the language is no step of the history");
    await one.goto(`${base}/?keys=0`);
    await one.waitForSelector(".tile");
    await press("2");
    check(at("view") === null, "keys can be turned off");
    await one.context().close();
  }],
  ["what is not there is told and not asked for again", async (browser) => {
    const one = await open(browser, `${base}/`, { token });
    const query = () => new URL(one.url()).search.replace("?", "");
    await one.goto(`${base}/?view=nope&lang=xx&theme=pink&colour=red&kiosk=maybe&rotate=soon&views=queues,moon`);
    await one.waitForSelector(".board .tile");
    check(query() === "views=queues", `the address says what is shown: ${one.url()}`);
    const told = await one.locator(".banner.strays").innerText();
    const strays = ["view=nope", "lang=xx", "theme=pink", "colour=red", "kiosk=maybe", "rotate=soon", "views=moon"];
    check(strays.every((stray) => told.includes(stray)) && !told.includes("views=queues"), told);
    check((await grave(one)).length === 0, (await grave(one)).join("\n"));
    await one.locator(".banner.strays button").click();
    check((await one.locator(".banner.strays").count()) === 0, "read and put away");
    await one.goto(`${base}/?view=queues&lang=zh-TW&window=7m&group=nobody&sort=-nothing&state=asleep&tenant=nope&rotate=2147484`);
    await until("what the settings do not have", 10, async () => {
      const told = await one.locator(".banner.strays").innerText();
      const strays = ["window=7m", "group=nobody", "sort=-nothing", "state=asleep", "tenant=nope", "rotate=2147484"];
      return strays.every((stray) => told.includes(stray)) || told;
    });
    check(query() === "view=queues&lang=zh-CN", `one of a region is the language's: ${one.url()}`);
    await one.keyboard.press("1");
    await until("gone with the next step", 5, async () => (await one.locator(".banner.strays").count()) === 0);
    await one.goto(`${base}/?${SALES}&lang=hu`);
    await one.waitForSelector(".entity h1");
    check((await one.locator(".banner.strays").count()) === 0, "nothing is told of what is there");
    await one.keyboard.press("Escape");
    await one.waitForSelector(".board");
    check(query() === "window=30m&lang=hu", "who came from nowhere goes to the overview");
    check(one.faults.length === 0, one.faults.join("\n"));
    await one.context().close();
  }],
  ["on a phone and magnified nothing is too wide, and the age of the numbers stays in sight", async (browser) => {
    for (const [width, height] of [[390, 844], [700, 450]]) {
      const one = await open(browser, `${base}/`, { token, width, height });
      for (const query of ["", "kiosk=1", "view=queues", "view=agents", "view=attention", "view=alerts", SALES]) {
        await one.goto(`${base}/?${query}`);
        await one.waitForSelector(SHOWN);
        await until("live", 10, async () => (await trouble(one)) === "none");
        const beyond = await one.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(beyond <= 0, `${query} is ${beyond} px too wide`);
        await one.mouse.move(width / 2, height / 2);
        await one.mouse.wheel(0, 5000);
        await one.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
        const age = await one.locator(".age").boundingBox();
        check(0 <= age.y && age.y < height, `${query} at ${width}x${height} scrolls the age to ${age.y}`);
      }
      await one.context().close();
    }
  }],
  ["no number of a table is cut", async (browser) => {
    for (const tag of ["en", "fa", "hu", "zh-CN"]) {
      const one = await open(browser, `${base}/?lang=${tag}`, { token, width: 1280, height: 800 });
      for (const view of ["queues", "agents"]) {
        await one.goto(`${base}/?view=${view}&window=30m&lang=${tag}`);
        await one.waitForSelector("tbody tr[data-row] data");
        await until("live", 10, async () => (await trouble(one)) === "none");
        const cut = await one.evaluate(() => {
          const cells = [...document.querySelectorAll(".grid tbody td")];
          // One that misses its target says so with a sign and in bold.
          cells.forEach((cell) => cell.querySelector("data") && !cell.querySelector(".icon") && (cell.style.fontWeight = "650"));
          return cells.filter((cell) => cell.clientWidth < cell.scrollWidth).map((cell) => cell.innerText);
        });
        check(cut.length === 0, `${view} in ${tag} cuts ${cut.join(", ")}`);
      }
      await one.context().close();
    }
  }],
  ["a window is called by its length", async (browser) => {
    for (const [tag, name] of [["en", "last 150 seconds"], ["hu", "utolsó 150 másodperc"]]) {
      const one = await open(browser, `${base}/?window=150s&lang=${tag}`, { token });
      await until(name, 10, async () => {
        const names = await one.locator("option").allInnerTexts();
        return names.includes(name) || names;
      });
      await one.context().close();
    }
  }],
  ["an alert that resolves is told below, and nowhere else", async (browser) => {
    const one = await open(browser, `${base}/?view=alerts`, { token });
    await row(one, "firing").waitFor();
    await ask("resolve");
    await row(one, "resolved").waitFor();
    check((await row(one, "firing").count()) === 0, "it does not fire any more");
    check((await one.locator(".alerts h1").innerText()) === "No alert fires", await one.locator(".alerts h1").innerText());
    check((await row(one, "resolved").innerText()).includes("Well again"), "why it resolved");
    check((await grave(one)).length === 0, (await grave(one)).join("\n"));
    await one.goto(`${base}/`);
    await until("none fires", 10, async () => (await counted(one)) === "0");
    check((await one.locator(".card [data-alerts]").count()) === 0, "no card is marked");
    await one.keyboard.press("5");
    await row(one, "resolved").waitFor();
    await one.context().close();
  }],
  ["stale while the engine stands still, and well again after", async () => {
    await ask("stop");
    await until("the page says that it is cut off", 20, async () => (await trouble(page)) === "lost");
    const banner = await page.locator(".banner.lost").innerText();
    check(/Connection lost/.test(banner) && /old/.test(banner), banner);
    check((await page.title()).startsWith("⚠"), "the title warns, too");
    const grey = await page.locator("main").evaluate((main) => getComputedStyle(main).filter);
    check(grey.includes("grayscale"), "the numbers have lost their colours");
    check((await grave(page)).length === 0, (await grave(page)).join("\n"));
    await ask("go");
    await until("well again", 30, async () => (await trouble(page)) === "none");
    await page.goto(`${base}/?${SALES}`);
    await page.waitForSelector(".tile[data-kpi=waiting] data");
    const before = Number(await tile(page, "waiting").innerText());
    await ask("call");
    await until("it follows again", 20, async () => Number(await tile(page, "waiting").innerText()) === before + 1);
    check(page.faults.length === 0, page.faults.join("\n"));
  }],
]);
