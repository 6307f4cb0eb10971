/** The fleet page. */

const names = (page) => page.locator("table.vehicles tbody th small").allTextContents();

/** Vehicles are in the table, on the map and in the counts. */
export async function shown({ open, given, check }) {
  const page = await open({ at: given.at });
  await page.locator("table.vehicles tbody tr").first().waitFor();
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === count, String(given.placed));
  check(await page.title() === "Fleet – fleettwin", "the title names the page");
  await page.locator(".counts b").first().filter({ hasNotText: /^0$/ }).waitFor(); // the map's vehicles come beside those of the table
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

/** A stream that stays open tells nothing of the loss: then it is noticed with the next page of the table. */
const NOTICED_WITHIN_MS = 45_000;

const rows = (page) => page.locator("table.vehicles tbody tr");

/** A filter is in the address, holds for map, table and numbers, and outlives a reload; back undoes it. */
export async function filtered({ open, given }) {
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  const seen = {};
  for (const [label, value] of given.filters) {
    await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByLabel(label, { exact: true }).press("Enter");
    await page.locator(".counts a[aria-current] b").filter({ hasText: new RegExp(`^${given.expected[label]}$`) }).waitFor();
    await page.reload();
    await page.locator(".counts a[aria-current] b").filter({ hasText: new RegExp(`^${given.expected[label]}$`) }).waitFor();
    await page.waitForFunction((count) => document.querySelectorAll("table.vehicles tbody tr").length === count, given.expected[label]);
    seen[label] = await names(page);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.waitForFunction((count) => document.querySelectorAll("table.vehicles tbody tr").length === count, given.all);
  }
  return seen;
}

/** A state that is picked; nothing that fits; back to what was before. */
export async function picked({ open, given, check }) {
  const page = await open({ at: given.at });
  await page.getByRole("link", { name: "driving" }).click();
  await page.waitForFunction(() => document.querySelectorAll("table.vehicles tbody tr").length === 1);
  const [vin] = await names(page);
  await page.goBack();
  await page.waitForFunction((count) => document.querySelectorAll("table.vehicles tbody tr").length === count, given.all);
  await page.getByLabel("Brand", { exact: true }).fill("Nobody");
  await page.getByLabel("Brand", { exact: true }).press("Enter");
  await page.getByText("None fits the filter").waitFor();
  check(await rows(page).count() === 0, "rows of no vehicle");
  return vin;
}

/** Pages of the table, and back to the first. */
export async function paged({ open, given, check }) {
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  const first = await names(page);
  await page.getByRole("button", { name: "Next page" }).click();
  await page.waitForFunction((vin) => document.querySelector("table.vehicles tbody th small")?.innerText !== vin, first[0]);
  const second = await names(page);
  check(await page.getByRole("button", { name: "Next page" }).isDisabled(), "a page after the last");
  await page.reload();
  await page.waitForFunction((vin) => document.querySelector("table.vehicles tbody th small")?.innerText === vin, second[0]);
  await page.getByRole("button", { name: "First page" }).click();
  await page.waitForFunction((vin) => document.querySelector("table.vehicles tbody th small")?.innerText === vin, first[0]);
  return [first, second];
}

/** A click on the map opens the twin; the map is moved with keys, and the address says where it looks. */
export async function opened({ open, given, check }) {
  const page = await open({ at: given.at });
  const map = page.locator(".map canvas");
  await page.waitForFunction(() => document.querySelector(".map canvas").dataset.seen === "3");
  await map.focus();
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  await page.waitForURL(/view=/);
  await page.keyboard.press("0");
  await page.waitForTimeout(400); // the address follows once the map rests
  const before = page.url();
  await page.reload();
  await page.waitForFunction(() => document.querySelector(".map canvas").dataset.seen === "3");
  check(page.url() === before, "the view is lost with a reload");
  const link = page.locator("table.vehicles tbody a").first();
  await link.focus();
  await page.keyboard.press("Enter");
  await page.locator(".twin h1").waitFor();
  return page.locator(".twin h1").innerText();
}

/** What changes is shown without a reload: `/changed` of the test's server makes it happen. */
export async function live({ open, given, base }) {
  const page = await open({ at: given.at });
  const row = page.locator("table.vehicles tbody tr", { hasText: given.vin });
  await row.getByText("parked").waitFor();
  await page.evaluate(() => (window.untouched = true));
  await page.request.post(`${base}/changed`);
  await row.getByText("driving").waitFor();
  await page.locator(".counts", { hasText: "1 ▲driving" }).waitFor();
  return page.evaluate(() => window.untouched);
}

/** What was captured long before the newest of the fleet comes without a reload. */
export async function late({ open, given, base }) {
  const page = await open({ at: given.at });
  await page.waitForFunction(() => document.querySelector(".counts b")?.innerText === "2");
  await page.request.post(`${base}/changed`);
  await page.locator(".counts", { hasText: "1 ✖fault" }).waitFor();
  await page.locator("table.vehicles tbody tr", { hasText: given.vin }).getByText("P0D59").waitFor();
}

/** The server is gone and comes back: what was known stays, and what was asked meanwhile is answered without a reload. */
export async function lost({ open, given, expected, check }) {
  expected.push(/ERR_FAILED|ERR_CONNECTION|Failed to load resource/);
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  await page.evaluate(() => (window.untouched = true));
  await page.route("**/graphql", (route) => route.abort());
  await page.getByText("The server does not answer. What you see").waitFor({ timeout: NOTICED_WITHIN_MS });
  check(await rows(page).count() > 0, "what was known is gone");
  await page.getByLabel("Brand", { exact: true }).fill("Audi");
  await page.getByLabel("Brand", { exact: true }).press("Enter");
  await page.unroute("**/graphql");
  await page.getByText("The server does not answer. What you see").waitFor({ state: "detached" });
  await page.locator(".note.failed").first().waitFor({ state: "detached" });
  await page.waitForFunction((count) => document.querySelectorAll("table.vehicles tbody tr").length === count, given.fits);
  return page.evaluate(() => window.untouched);
}

/** What the API refuses is said with what to do. */
export async function refused({ open, given, expected }) {
  expected.push(/status of 429/);
  const answer = { errors: [{ message: "the query costs 30,000 points", extensions: { code: "THROTTLED", remedy: "ask again in 2 s" } }] };
  let left = 4;
  const page = await open({
    at: given.at,
    prepare: (page) => page.route("**/graphql", (route) => (left-- > 0
      ? route.fulfill({ status: 429, headers: { "retry-after": "1", "content-type": "application/json" }, body: JSON.stringify(answer) })
      : route.continue())),
  });
  const alert = page.getByRole("alert").first();
  await alert.waitFor();
  const text = await alert.innerText();
  await rows(page).first().waitFor();
  await page.getByRole("alert").first().waitFor({ state: "detached" });
  return text;
}

/** German for those whose browser says so, until they choose another language. */
export async function german({ open, given }) {
  const page = await open({ at: given.at, locale: "de-DE" });
  await rows(page).first().waitFor();
  await page.locator(".counts b").first().filter({ hasNotText: /^0$/ }).waitFor(); // the map's vehicles come beside those of the table
  const counts = await page.locator(".counts").innerText();
  await page.getByLabel("Sprache").selectOption("en");
  await page.getByRole("link", { name: "Fleet", exact: true }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Fleet", exact: true }).waitFor();
  return counts;
}

/** Ten thousand vehicles: how long the map takes to be drawn, near and from afar; by the browser's own clock and frames. */
export async function many({ open, given, expected }) {
  const at = new Date().toISOString();
  const answer = Array.from({ length: given.count }, (_, index) => JSON.stringify({ node: vehicle(index, at) })).join("\n");
  const page = await open({
    prepare: (page) => page.route("**/graphql", (route) => {
      const bulk = route.request().headers().accept === "application/x-ndjson";
      const late = route.request().postData().includes("lastSeenAfter");
      return bulk ? route.fulfill({ contentType: "application/x-ndjson", body: late ? '{"end":{}}\n' : `${answer}\n{"end":{}}\n` }) : route.continue();
    }),
  });
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === String(count), given.count);
  expected.push(/multiple readback/i);
  const draw = () => page.evaluate(async ({ budgetMs, turns, turnsMost }) => {
    const canvas = document.querySelector(".map canvas");
    const taken = [];
    for (let turn = 0; turn < turns || (turn < turnsMost && Math.min(...taken) >= budgetMs); turn += 1) { // until nothing else disturbs it
      let begun = 0;
      requestAnimationFrame(() => (begun = performance.now()));
      dispatchEvent(new Event("repaint")); // the map asks for its turn between ours
      taken.push(await new Promise((done) => requestAnimationFrame(() => {
        canvas.getContext("2d").getImageData(0, 0, 1, 1); // waits until everything is painted
        done(performance.now() - begun);
      })));
    }
    taken.sort((a, b) => a - b);
    return { least: taken[0], ms: taken[Math.floor(taken.length / 2)], seen: Number(canvas.dataset.seen), clusters: Number(canvas.dataset.clusters) };
  }, { budgetMs: given.budgetMs, turns: 40, turnsMost: 400 });
  const afar = await draw();
  await page.locator(".map canvas").focus();
  for (let turn = 0; turn < 6; turn += 1) await page.keyboard.press("+");
  const near = await draw();
  return { afar, near };
}

function vehicle(index, at) {
  const turn = (index * 2.399963) % (2 * Math.PI);
  const far = Math.sqrt(index / 10_000) * 18;
  return {
    id: `V${index}`, vin: `WVWZZZE1ZMP${String(index).padStart(6, "0")}`, brand: ["Audi", "SEAT", "Volkswagen"][index % 3], model: "ID.3", lastSeenAt: at, decommissionedAt: null,
    navigation: { location: { latitude: 50 + far * Math.sin(turn) * 0.6, longitude: 10 + far * Math.cos(turn), status: "OK" }, heading: { value: index % 360 }, speed: { value: 50, unit: "km/h", status: "OK" }, currentTrip: index % 4 ? null : { id: `T${index}` } },
    diagnostics: { isCharging: { value: index % 5 === 1 }, stateOfCharge: { value: index % 100, unit: "percent", status: "OK" }, troubleCodes: index % 11 ? [] : [{ code: "P0D59" }], warnings: [] },
  };
}

/** The heads of columns sort, up, down and not at all, in the whole fleet and not in a page of it. */
export async function sorted({ open, given }) {
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  const seen = [];
  for (const direction of ["ascending", "descending", null]) {
    await page.getByRole("button", { name: /^Charge/ }).click();
    const head = page.locator("th", { has: page.getByRole("button", { name: /^Charge/ }) });
    await page.waitForFunction((wanted) => [...document.querySelectorAll("th")].find((th) => th.innerText.startsWith("Charge"))?.getAttribute("aria-sort") === wanted, direction);
    await page.locator(".loading.corner").waitFor({ state: "detached" });
    seen.push([await head.getAttribute("aria-sort"), (await names(page)).slice(0, 2)]);
  }
  return seen;
}

/** What fits a filter no more leaves it without a reload. */
export async function left({ open, given, base }) {
  const page = await open({ at: given.at, hash: "#/fleet?most=50" });
  await page.waitForFunction(() => document.querySelector(".counts b")?.innerText === "2");
  await page.request.post(`${base}/changed`);
  await page.waitForFunction(() => document.querySelector(".counts b")?.innerText === "1");
}

/** Played faster than the server answers, the fleet is still seen to change on the way. */
export async function played({ open, given, check }) {
  const page = await open({
    at: given.at,
    hash: `#/fleet?at=${given.moment}&speed=60`,
    prepare: (page) => page.route("**/graphql", (route) => setTimeout(() => route.continue().catch(() => {}), given.slowMs)),
  });
  await page.getByText("There is no vehicle.").waitFor();
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await rows(page).first().waitFor();
  check(await page.getByRole("button", { name: "Pause", exact: true }).count() === 1, "nothing was shown before the end");
  return new URLSearchParams(page.url().split("?")[1]).get("at");
}

/** A state has an address of its own, which keeps the filter; its vehicles are sorted as all are. */
export async function stated({ open, given, check }) {
  const first = await open({ at: given.at, hash: "#/fleet?least=1&sort=-charge" });
  await rows(first).first().waitFor();
  const hash = await first.getByRole("link", { name: "parked" }).getAttribute("href");
  const page = await open({ at: given.at, hash });
  await rows(page).first().waitFor();
  check(await page.getByLabel("at least, percent").inputValue() === "1", "the filter is lost");
  return names(page);
}

/** While something between here and there says that the server is away it is asked again. */
export async function away({ open, given, expected }) {
  expected.push(/status of 50[234]/);
  let left = 6;
  const page = await open({
    at: given.at,
    prepare: (page) => page.route("**/graphql", (route) => (left-- > 0
      ? route.fulfill({ status: 502 + (left % 3), contentType: "text/html", body: "<h1>Bad gateway</h1>" }) : route.continue())),
  });
  await page.getByText("The store does not answer at present.").first().waitFor();
  await rows(page).first().waitFor();
  await page.getByRole("alert").first().waitFor({ state: "detached" });
}

/** What a mark on the map is, is said where the pointer is. */
export async function pointed({ open, given }) {
  const page = await open({ at: given.at, hash: `#/fleet?view=600,${given.longitude},${given.latitude}` });
  await page.waitForFunction(() => Number(document.querySelector(".map canvas").dataset.seen) > 0);
  await page.locator(".map canvas").hover();
  return page.locator(".map canvas").getAttribute("title");
}

/** A comparison with the present follows it. */
export async function compared({ open, given, base }) {
  const page = await open({ at: given.at, hash: `#/vehicle/${given.id}/compare?vs=${given.vs}` });
  await page.getByText(given.before).waitFor();
  await page.request.post(`${base}/changed`);
  await page.getByText(given.after).waitFor();
}
