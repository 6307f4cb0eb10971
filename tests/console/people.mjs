/** What everybody needs: what axe-core finds, keys alone, the narrow screen; and the pictures of the documentation. */

import { readFile } from "node:fs/promises";

const settled = async (page) => {
  await page.locator("main table tbody tr, main .value, main .note:not(.loading), .sign-in form").first().waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
};

/** Serious findings of axe-core on each page. */
export async function accessible({ open, given, axe, expected }) {
  if (given.away) expected.push(/ERR_FAILED/);
  if (given.closed) expected.push(/status of 401/);
  const script = await readFile(axe, "utf8");
  const found = {};
  const prepare = async (page) => {
    if (given.away) await page.route("**/graphql", (route) => route.abort());
    if (given.token) await page.addInitScript((text) => sessionStorage.setItem("fleettwin.token", text), given.token);
  };
  for (const [name, hash] of Object.entries(given.pages)) {
    const page = await open({ at: given.at, hash, colorScheme: given.scheme, prepare });
    await (given.shows ? page.locator("main").getByText(given.shows).first().waitFor() : settled(page));
    await page.evaluate(() => document.styleSheets[0].insertRule(".scroll, .beside { background: none !important; }", document.styleSheets[0].cssRules.length)); // contrast is not told on a shade
    await page.evaluate(script); // the page itself may load nothing that is not the console's
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    if (serious.length) found[name] = serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 140)).join(" | ")}`);
    await page.context().close();
  }
  return found;
}

/** What of each page the tabulator does not reach, or nobody sees that it does: what can be clicked, chosen or scrolled. */
export async function unreached({ open, given }) {
  const left = {};
  for (const [name, hash] of Object.entries(given.pages)) {
    const page = await open({ at: given.at, hash });
    await settled(page);
    const count = await page.evaluate(() => {
      const wanted = [...document.querySelectorAll("a[href], button:not(:disabled), select, input:not(:disabled), summary, canvas[tabindex], .scroll")];
      window.wanted = new Set(wanted.filter((each) => each.checkVisibility() && !(document.querySelector("dialog") && !each.closest("dialog"))));
      return window.wanted.size;
    });
    for (let turn = 0; turn < 8 * count && await page.evaluate(() => window.wanted.size); turn += 1) { // a field for a date has stops of its own
      await page.keyboard.press("Tab");
      await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        if (outlineStyle !== "none" && outlineWidth !== "0px") window.wanted.delete(document.activeElement);
      });
    }
    const missed = await page.evaluate(() => [...window.wanted].map((each) => each.outerHTML.slice(0, 120)));
    if (missed.length || !count) left[name] = missed;
    await page.context().close();
  }
  return left;
}

/** With the tabulator alone everything is reached, and what is reached is seen. */
export async function keys({ open, given, check }) {
  const page = await open({ at: given.at });
  await settled(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter"); // skip to the content
  check(await page.evaluate(() => document.activeElement.id) === "main", "there is no way past the head");
  const reached = [];
  for (let turn = 0; turn < 60; turn += 1) {
    await page.keyboard.press("Tab");
    const [name, outlined] = await page.evaluate(() => {
      const { activeElement: element } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return [element.getAttribute("aria-label") || element.innerText || `${element.tagName} ${element.className}`, outlineStyle !== "none" && outlineWidth !== "0px"];
    });
    if (name !== undefined && !outlined && (await page.evaluate(() => document.activeElement !== document.body))) reached.push(`not seen: ${name}`);
    reached.push(name.split("\n")[0]);
  }
  return reached;
}

/** Nothing is wider than a narrow screen: neither the page nor what scrolls in it as a whole, nor a part that must be seen without scrolling. */
export async function narrow({ open, given }) {
  const wide = {};
  for (const [name, hash] of Object.entries(given.pages)) {
    const page = await open({ at: given.at, hash, size: [390, 844], locale: given.locale });
    await settled(page);
    const width = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector("main").scrollWidth));
    const beyond = await page.locator(given.seen?.[name] ?? "main").evaluateAll((parts) => Math.max(...parts.map((part) => Math.ceil(part.getBoundingClientRect().right))));
    if (Math.max(width, beyond) > 390) wide[name] = [width, beyond];
    await page.context().close();
  }
  return wide;
}

/** Of a narrow screen: how high the time bar is, which choices are cut off, and of which tables that go on sideways nothing says so. */
export async function compact({ open, given }) {
  const seen = {};
  for (const [name, hash] of Object.entries(given.pages)) {
    const page = await open({ at: given.at, hash, size: [390, 844], locale: given.locale });
    await settled(page);
    seen[name] = await page.evaluate(() => {
      const cut = [...document.querySelectorAll(".choices select, .time-bar :is(select, input)")].filter((each) => {
        const { width, right } = each.getBoundingClientRect();
        each.style.cssText = "max-width: none; width: max-content; flex: none;";
        const whole = each.getBoundingClientRect().width;
        each.style.cssText = "";
        return right > innerWidth || (each.type !== "range" && width < whole - 0.5);
      });
      const wide = [...document.querySelectorAll("main .scroll")].filter((each) => each.scrollWidth > each.clientWidth);
      return {
        rows: [...document.querySelector(".time-bar").children].map((each) => each.getBoundingClientRect()).map(({ top, bottom }) => (top + bottom) / 2)
          .sort((a, b) => a - b).filter((middle, index, all) => !index || middle - all[index - 1] > 10).length,
        cut: cut.map((each) => each.outerHTML.slice(0, 90)),
        wide: wide.length,
        unsaid: wide.filter((each) => !getComputedStyle(each).backgroundAttachment.startsWith("local, local, scroll, scroll")).length,
      };
    });
    await page.context().close();
  }
  return seen;
}

/** Write a picture of a page. */
export async function picture({ open, given }) {
  const page = await open({ at: given.at, hash: given.hash, colorScheme: given.scheme, size: given.size });
  await settled(page);
  await page.waitForFunction((seen) => !seen || document.querySelector(".map canvas")?.dataset.seen === String(seen), given.seen);
  await page.waitForTimeout(500); // the land is fetched beside the vehicles
  await page.screenshot({ path: given.path });
}

/** From the root to a twin by clicking, as somebody would; and its picture. */
export async function served({ open, given }) {
  const page = await open({ colorScheme: given.scheme, size: given.size });
  await page.locator("table.vehicles tbody tr", { hasText: given.vin }).getByRole("link").click();
  await page.waitForFunction(() => /[1-9]\d* points/.test(document.querySelector(".map canvas")?.getAttribute("aria-label") ?? ""));
  await settled(page);
  await page.waitForTimeout(500); // the land is fetched beside the twin
  await page.screenshot({ path: given.path });
  return page.locator(".twin h1").innerText();
}

/** Where a browser keeps nothing, the console is shown all the same. */
export async function forgetful({ open, given }) {
  const page = await open({
    at: given.at,
    prepare: (page) => page.addInitScript(() => {
      for (const name of ["localStorage", "sessionStorage"]) {
        Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
      }
    }),
  });
  await settled(page);
  await page.getByLabel("Language").selectOption("de");
  await page.locator(".counts b").first().filter({ hasNotText: /^0$/ }).waitFor(); // the map's vehicles come beside those of the table
  return page.locator(".counts a").first().innerText();
}

/** What is shown of addresses that no page gives. */
export async function strange({ open, given }) {
  const seen = {};
  for (const hash of given.hashes) {
    const page = await open({ at: given.at, hash });
    await settled(page);
    seen[hash] = await page.locator("main").innerText();
  }
  return seen;
}
