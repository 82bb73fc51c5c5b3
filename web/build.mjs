// The build: sources to one page, the same bytes every time.
//
//   node build.mjs [FILE]     writes FILE, dist/wallboard.html unless said
//
// Script and style stand in the page itself, and its policy names their hashes, so that a browser runs
// nothing else and asks no other host. The server sends that policy as a header, too.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "dist/wallboard.html");

async function bundled(entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["chrome105", "firefox110", "safari16"],
    jsx: "automatic",
    jsxImportSource: "preact",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  return result.outputFiles[0].text.trim();
}

const [script, style, template] = await Promise.all([
  bundled("src/main.tsx"),
  bundled("src/style.css"),
  readFile(join(here, "src/page.html"), "utf8"),
]);
if (/<\/(script|style)/i.test(script + style)) throw new Error("the page's own text would end its script or style");

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");
const parts = { POLICY: policy, STYLE: style, SCRIPT: script };
const page = template.replace(/\{\{(POLICY|STYLE|SCRIPT)\}\}/g, (_, name) => parts[name]);
await mkdir(dirname(out), { recursive: true });
await writeFile(out, page);
