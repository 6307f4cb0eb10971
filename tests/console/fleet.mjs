/** The fleet page. */

const names = (page) => page.locator("table.vehicles tbody th small").allTextContents();

/** Vehicles are in the table, on the map and in the counts. */
export async function shown({ open, given, check }) {
  const page = await open({ at: given.at });
  await page.locator("table.vehicles tbody tr").first().waitFor();
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === count, String(given.placed));
  check(await page.title() === "Fleet – fleettwin", "the title names the page");
  return { vins: await names(page), counts: await page.locator(".counts").innerText() };
}

/** What the first look costs: bytes of all that is loaded, and the time until there is a vehicle to click on. */
export async function cost({ open, base }) {
  const page = await open();
  await page.locator("table.vehicles tbody a").first().waitFor();
  const [usableMs, files] = await page.evaluate(() => [performance.now(), performance.getEntriesByType("resource")
    .filter(({ name }) => new URL(name).pathname.startsWith("/console/")).map(({ name, transferSize, decodedBodySize }) => ({ name, transferSize, decodedBodySize }))]);
  const again = await page.request.get(`${base}/console/js/main.js`, { headers: { "if-none-match": (await page.request.get(`${base}/console/js/main.js`)).headers().etag } });
  return { usableMs, files, again: again.status() };
}
