/**
 * Runs scenarios in a browser, one a line of JSON on standard input, and answers with a line each. A scenario fails on any
 * complaint of a page and on any request to elsewhere.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const PATIENCE_MS = 20_000;
const require = createRequire(process.env.CONSOLE_TEST_MODULES);
const { chromium } = require("playwright-core");
const browser = await chromium.launch({ executablePath: process.env.CONSOLE_TEST_BROWSER, args: ["--no-sandbox"] });

/** What a scenario has: pages of its own, at a time of the browser's clock, in a language, in light or dark. */
function stage(base) {
  const complaints = [];
  const contexts = [];
  const ours = (url) => ["data:", "blob:", `${base}/`].some((begin) => url.startsWith(begin));
  async function open({ hash = "", at = null, locale = "en-GB", colorScheme = "light", size = [1440, 900], prepare = async () => {} } = {}) {
    const context = await browser.newContext({ viewport: { width: size[0], height: size[1] }, locale, colorScheme, timezoneId: "UTC" });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`page: ${error.stack}`));
    page.on("request", (request) => !ours(request.url()) && complaints.push(`foreign: ${request.url()}`));
    if (at) await page.clock.setFixedTime(new Date(at)); // timers go on
    await prepare(page, context);
    await page.goto(`${base}/${hash}`);
    await page.locator("main").waitFor();
    return page;
  }
  return { complaints, open, close: () => Promise.all(contexts.map((context) => context.close())) };
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}

async function run({ scenario, base, arguments: given }) {
  const [module, name] = scenario.split(".");
  const { complaints, open, close } = stage(base);
  const expected = []; // complaints that a scenario brings about itself
  try {
    const scenarios = await import(new URL(`./${module}.mjs`, import.meta.url));
    const result = await scenarios[name]({ open, base, given, check, expected, axe: require.resolve("axe-core/axe.min.js") });
    const left = complaints.filter((complaint) => !expected.some((pattern) => pattern.test(complaint)));
    if (left.length) throw new Error("the page complains");
    return { result: result ?? null };
  } catch (error) {
    return { failure: [error.stack, ...complaints].join("\n") };
  } finally {
    await close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
await browser.close();
