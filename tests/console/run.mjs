/** Runs one scenario in a browser; fails on any complaint of the page and on any request to elsewhere. */
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const PATIENCE_MS = 15_000;
const require = createRequire(process.env.CONSOLE_TEST_MODULES);
const { chromium } = require("playwright-core");

const { scenario, base, arguments: given, program } = JSON.parse(await text(process.stdin));
const [module, name] = scenario.split(".");
const { [name]: run } = await import(new URL(`./${module}.mjs`, import.meta.url));

/** What a page complained of. */
const complaints = [];
/** Complaints that a scenario brings about itself. */
const expected = [];

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });

/** A page of its own: at a time of the browser's clock, in a language, in light or dark. */
async function open({ hash = "", at = null, locale = "en-GB", colorScheme = "light", size = [1440, 900], prepare = async () => {}, ready = true } = {}) {
  const context = await browser.newContext({ viewport: { width: size[0], height: size[1] }, locale, colorScheme, timezoneId: "UTC" });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`page: ${error.stack}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:") && !request.url().startsWith("blob:")) complaints.push(`foreign: ${request.url()}`);
  });
  if (at) await page.clock.setFixedTime(new Date(at)); // timers go on
  await prepare(page, context);
  await page.goto(`${base}/${hash}`);
  if (ready) await page.locator("main").waitFor();
  return page;
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}

try {
  const result = await run({ open, base, given, check, expected, axePath: require.resolve("axe-core/axe.min.js"), browser });
  const left = complaints.filter((complaint) => !expected.some((pattern) => pattern.test(complaint)));
  if (left.length) throw new Error(`the page complains:\n${left.join("\n")}`);
  process.stdout.write(JSON.stringify(result ?? null));
} catch (error) {
  process.stderr.write(`${complaints.join("\n")}\n${error.stack}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
