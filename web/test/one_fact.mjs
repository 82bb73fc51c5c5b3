// One fact on the wallboard: what it shows of entities, held against what everybody else says.
//
//   node one_fact.mjs URL KIND|ID|WINDOW...     `? KIND|ID|WINDOW {"KPI":{"text":...,"value":...}}` on standard output tells
//                                               what is shown, and is answered by `same` or by what is not
import { ask, check, open, story, until } from "./page.mjs";

const [base, ...subjects] = process.argv.slice(2);

/** The text and the exact number of every KPI in the page that has a value. */
const shown = (page) =>
  page.evaluate(() => {
    const rows = [...document.querySelectorAll(".whole tr[data-kpi]")].filter((row) => row.querySelector("td data"));
    const told = (row) => ({ text: row.querySelector("td data").innerText, value: row.querySelector("td data").value });
    return Object.fromEntries(rows.map((row) => [row.dataset.kpi, told(row)]));
  });

/** A tile is of the stream, the table of an answer: both say the same. */
const tilesAgree = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(".tile[data-kpi] .value data")].every((tile) => {
      const row = document.querySelector(`.whole tr[data-kpi="${tile.closest(".tile").dataset.kpi}"] td data`);
      return row === null || (row.value === tile.value && row.innerText === tile.innerText);
    }),
  );

await story(
  subjects.map((subject) => [
    `${subject} is the same five ways`,
    async (browser) => {
      const [kind, id, window] = subject.split("|");
      const page = await open(browser, `${base}/?view=entity&kind=${kind}&id=${encodeURIComponent(id)}&window=${window}`);
      await page.waitForSelector(".whole tr[data-kpi]", { timeout: 60_000 });
      await until("the same", 120, async () => {
        if (!(await tilesAgree(page))) return "the tiles and the table of the wallboard differ";
        const answer = await ask(`${subject} ${JSON.stringify(await shown(page))}`);
        return answer === "same" || answer;
      });
      check(page.faults.length === 0, page.faults.join("\n"));
      await page.context().close();
    },
  ]),
);
