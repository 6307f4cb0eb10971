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

/** What the first look costs until there is a vehicle to click on: files with their bytes, and questions to the API. */
export async function cost({ open, base }) {
  let questions = 0;
  const page = await open({ prepare: (page) => page.on("request", (request) => (questions += request.url().endsWith("/graphql") ? 1 : 0)) });
  await page.locator("table.vehicles tbody a").first().waitFor();
  const asked = questions;
  const files = await page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter(({ name }) => !new URL(name).pathname.startsWith("/graphql")).map(({ name, transferSize, decodedBodySize }) => ({ name, transferSize, decodedBodySize })));
  const again = await page.request.get(`${base}/console/js/main.js`, { headers: { "if-none-match": (await page.request.get(`${base}/console/js/main.js`)).headers().etag } });
  return { asked, files, again: again.status() };
}

/** How long a first look takes, with nothing kept from before: until there are vehicles to click on, and until the map has all. */
export async function usable({ open, given }) {
  const page = await open({ prepare: (page) => page.addInitScript(() => {
    window.seen = {};
    const look = () => {
      if (document.querySelector("table.vehicles tbody a")) window.seen.usableMs ??= performance.now(); // a frame after it was painted at the latest
      window.seen.mapped = Number(document.querySelector(".map canvas")?.dataset.seen);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }) });
  await page.waitForFunction((count) => window.seen.usableMs && window.seen.mapped === count, given.count);
  return page.evaluate(() => ({ usableMs: window.seen.usableMs, wholeMs: performance.now() }));
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

/** How a table is sorted, which page of it is shown, and how the time bar goes, is in the address and outlives a reload. */
export async function outlived({ open, given, check }) {
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  const select = (label) => page.locator("label", { hasText: label }).locator("select");
  for (const [label, value] of given.chosen) await select(label).selectOption(value);
  const asIs = async (cells) => {
    const before = await page.locator(cells).allTextContents();
    await page.reload();
    await page.waitForFunction(([cells, before]) => JSON.stringify([...document.querySelectorAll(cells)].map((cell) => cell.textContent)) === JSON.stringify(before), [cells, before]);
    return before;
  };
  const sorted = {};
  for (const order of ["ascending", "descending"]) {
    await page.getByRole("button", { name: "Charge" }).click();
    await page.locator(`th[aria-sort="${order}"]`).waitFor();
    await page.waitForFunction((vins) => JSON.stringify([...document.querySelectorAll("table.vehicles tbody th small")].map((each) => each.textContent)) === JSON.stringify(vins), given.pages[order]);
    sorted[order] = await asIs("table.vehicles tbody th small");
    check(await page.locator("th[aria-sort]").getAttribute("aria-sort") === order, `not ${order} after a reload`);
  }
  const top = await names(page);
  await page.getByRole("button", { name: "Next page" }).click();
  await page.waitForFunction((first) => document.querySelector("table.vehicles tbody th small")?.textContent !== first, top[0]);
  const next = await asIs("table.vehicles tbody th small");
  for (const [label, value] of given.chosen) check(await select(label).inputValue() === value, `${label} is not ${value} after a reload`);
  await page.goto(`${page.url().split("#")[0]}#/vehicle/${given.id}/events`);
  await page.locator("main table tbody tr").first().waitFor();
  await select("Order").selectOption("OLDEST_FIRST");
  await page.locator("main table tbody td").filter({ hasText: /^1$/ }).first().waitFor();
  const oldest = await asIs("main table tbody td:first-child");
  await page.getByRole("button", { name: "Next page" }).click();
  await page.waitForFunction((first) => document.querySelector("main table tbody td")?.textContent !== first, oldest[0]);
  const later = await asIs("main table tbody td:first-child");
  return { sorted, next, versions: [...oldest, ...later].map(Number) };
}

/** A brand in letters of another size is the one that the fleet has, in an address and typed. */
export async function spelt({ open, given, check }) {
  const page = await open({ at: given.at, hash: "#/fleet?brand=audi" });
  await page.locator(".counts", { hasText: "2 vehicles" }).waitFor();
  check(await page.getByLabel("Brand", { exact: true }).inputValue() === "Audi", "it is shown as nobody spells it");
  await page.getByLabel("Brand", { exact: true }).fill("ŠKODA, seat");
  await page.getByLabel("Brand", { exact: true }).press("Enter");
  await page.locator(".counts", { hasText: "1 vehicle" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll("table.vehicles tbody tr").length === 1);
  return [await page.locator(".counts a").first().innerText(), await page.getByLabel("Brand", { exact: true }).inputValue(), await page.locator(".map canvas").getAttribute("aria-label")];
}

/** Keys go on from where they were when a filter, a page or the live end takes away what had the focus. */
export async function kept({ open, given, check }) {
  const focused = (page, what) => page.waitForFunction((selector) => document.activeElement.matches(selector), what);
  const page = await open({ at: given.at, hash: "#/fleet?brand=Audi" });
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Clear" }).press("Enter");
  await page.getByRole("button", { name: "Clear" }).waitFor({ state: "detached" });
  await focused(page, ".filters input");
  await page.goto(`${page.url().split("#")[0]}#/fleet?after=10&state=silent`); // a page that is no more
  await page.getByRole("button", { name: "First page" }).press("Enter");
  await page.getByRole("button", { name: "First page" }).waitFor({ state: "detached" });
  await focused(page, "main, main *");
  await page.goto(`${page.url().split("#")[0]}#/fleet?at=${given.moment}&speed=3600`);
  await page.getByRole("button", { name: "Play", exact: true }).press("Enter");
  await page.locator(".time-bar.is-live").waitFor();
  await focused(page, ".play");
  await page.keyboard.press("Enter"); // the live end cannot be played
  check(await page.locator(".time-bar.is-live").count() === 1, "the present is played");
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
  await page.getByRole("button", { name: "Next page" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction((vin) => document.querySelector("table.vehicles tbody th small")?.innerText !== vin, first[0]);
  const second = await names(page);
  check(await page.getByRole("button", { name: "Next page" }).isDisabled(), "a page after the last");
  check(await page.evaluate(() => document.activeElement.innerText) === "Next page", "the focus is lost on the last page");
  await page.keyboard.press("Enter");
  check((await names(page))[0] === second[0], "a page after the last is asked for");
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

/** What the map of a twin says of it. */
export async function pointedTwin({ open, given }) {
  const page = await open({ at: given.at, hash: `#/vehicle/${given.vin}` });
  await page.waitForFunction(() => Number(document.querySelector(".map canvas")?.dataset.seen) > 0);
  await page.locator(".map canvas").press("0"); // it is in the middle then
  await page.locator(".map canvas").hover();
  return page.locator(".map canvas").getAttribute("title");
}

/** The sign that a circle of the map has for vehicles of these states, by their number. */
export async function circled({ open, given }) {
  const page = await open({ at: given.at });
  return page.evaluate(async (groups) => {
    const [{ stateOfGroup }, { STATES }] = await Promise.all([import("/console/js/map/marks.js"), import("/console/js/fleet.js")]);
    return groups.map((group) => stateOfGroup({ counts: STATES.map((state) => group[state] ?? 0) }));
  }, given.groups);
}

/** A comparison with the present follows it. */
export async function compared({ open, given, base }) {
  const page = await open({ at: given.at, hash: `#/vehicle/${given.id}/compare?vs=${given.vs}` });
  await page.getByText(given.before).waitFor();
  await page.request.post(`${base}/changed`);
  await page.getByText(given.after).waitFor();
}

/** The vehicles of a state go page by page, as all do. */
export async function stateByPages({ open, given }) {
  const page = await open({ at: given.at, hash: "#/fleet?state=silent" });
  const seen = [];
  for (const count of given.counts) {
    await page.waitForFunction(([wanted, first]) => document.querySelectorAll("table.vehicles tbody tr").length === wanted
      && document.querySelector("table.vehicles tbody th small").innerText !== first, [count, seen.at(-1)?.[0] ?? null]);
    seen.push(await names(page));
    if (seen.length < given.counts.length) await page.getByRole("button", { name: "Next page" }).click();
  }
  await page.reload();
  await page.waitForFunction((vin) => document.querySelector("table.vehicles tbody th small")?.innerText === vin, seen.at(-1)[0]);
  return seen.flat();
}

/** A filter that the API refuses shows nothing of the one before it. */
export async function unfit({ open, given, expected, check }) {
  expected.push(/status of 4\d\d/);
  const page = await open({ at: given.at });
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === count, String(given.placed));
  await rows(page).first().waitFor();
  await page.evaluate((query) => (location.hash = `#/fleet?${query}`), given.query);
  await page.getByRole("alert").first().waitFor();
  await page.locator(".counts b").first().filter({ hasText: /^0$/ }).waitFor();
  await page.waitForFunction(() => document.querySelector(".map canvas").dataset.seen === "0");
  check(await rows(page).count() === 0, "rows of another filter");
  check(await page.getByRole("alert").count() === 1, "it is told twice");
  await page.goto(`${page.url().split("#")[0]}#/fleet`);
  await rows(page).first().waitFor();
  return null;
}

/** The region is picked, the place is what the map shows; each holds for the table and the numbers, and outlives a reload. */
export async function located({ open, given }) {
  const page = await open({ at: given.at, hash: `#/fleet?view=${given.view}` });
  await page.locator(".counts a[aria-current] b").filter({ hasText: /^2$/ }).waitFor();
  const found = async () => {
    await page.locator(".counts a[aria-current] b").filter({ hasText: /^1$/ }).waitFor();
    await page.reload();
    await page.locator(".counts a[aria-current] b").filter({ hasText: /^1$/ }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("table.vehicles tbody tr").length === 1);
    return names(page);
  };
  await page.getByLabel("Region").selectOption(given.region);
  const region = await found();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.locator(".counts a[aria-current] b").filter({ hasText: /^2$/ }).waitFor();
  await page.getByLabel("In this part of the map").check();
  return { region, place: await found() };
}

const total = (page, count) => page.locator(".counts b").first().filter({ hasText: new RegExp(`^${count}$`) }).waitFor();

/** A vehicle that is only registered comes to the numbers and the table. */
export async function joined({ open, given, base }) {
  const page = await open({ at: given.at });
  await total(page, given.counts[0]);
  await page.request.post(`${base}/changed`);
  await total(page, given.counts[1]);
}

/** A vehicle that leaves the fleet is said to have left it. */
export async function gone({ open, given, base }) {
  const page = await open({ at: given.at });
  await total(page, 1);
  await page.request.post(`${base}/changed`);
  await page.locator("table.vehicles tbody tr", { hasText: given.vin }).getByText("left the fleet").waitFor();
}

/** A page with a clock of its own, which can be put forward. */
const clocked = (open, { at, token }, prepare = async () => {}) => open({
  prepare: async (page) => {
    await page.clock.install({ time: new Date(at) });
    if (token) await page.addInitScript((text) => sessionStorage.setItem("fleettwin.token", text), token);
    await prepare(page);
  },
});

const whole = (request) => request.headers().accept === "application/x-ndjson" && !/lastSeenAfter|"vins"/.test(request.postData());

/** Where nobody tells who joins, the whole fleet is asked for again once the time has come, and not before. */
export async function refreshed({ open, given, base, expected }) {
  expected.push(/status of 40[03]/);
  const asked = { refused: 0, whole: 0 };
  const page = await clocked(open, given, (page) => page.on("request", (request) => {
    if (!request.url().endsWith("/graphql")) return;
    asked.refused += request.postData().includes("subscription Lives") ? 1 : 0;
    asked.whole += whole(request) ? 1 : 0;
  }));
  await total(page, 1);
  await page.request.post(`${base}/changed`);
  await page.clock.fastForward(given.everyMs / 2);
  await page.clock.fastForward(given.everyMs / 2 + 1000);
  await total(page, 2);
  return asked;
}

/** A part of the fleet is not taken for the whole: vehicles stay when the answer ends with an error, or with nothing. */
export async function cutOff({ open, given, check }) {
  const ends = ['{"errors":[{"message":"it goes down","extensions":{"code":"SERVICE_UNAVAILABLE"}}],"after":"a"}\n', ""];
  const page = await clocked(open, given);
  await total(page, 2);
  for (const body of ends) {
    await page.route("**/graphql", (route) => (whole(route.request()) ? route.fulfill({ contentType: "application/x-ndjson", body }) : route.continue()));
    const answered = page.waitForResponse((response) => whole(response.request()));
    await page.clock.fastForward(given.everyMs + 1000);
    await (await answered).finished();
    await page.clock.runFor(1000);
    check(await page.locator(".counts b").first().innerText() === "2", "vehicles are gone");
    await page.unroute("**/graphql");
  }
}

/** Before the first answer nobody knows how many there are; while another moment loads, the numbers are said to be those of before. */
export async function counting({ open, given, check }) {
  let released = () => {};
  const hold = () => {
    const held = new Promise((done) => (released = done));
    return (route) => held.then(() => route.continue());
  };
  const page = await open({ at: given.at, hash: `#/fleet?at=${given.moments[0]}`, prepare: (page) => page.route("**/graphql", hold()) });
  const counts = page.locator(".counts");
  await counts.getByText("Loading").waitFor();
  const unknown = await counts.innerText();
  check(!/\d/.test(unknown), `a number that nobody knows: ${unknown}`);
  check(await counts.getAttribute("aria-busy") === "true", "nothing says that it loads");
  released();
  await total(page, given.counts[0]);
  await counts.locator(".loading").waitFor({ state: "detached" });
  await page.unroute("**/graphql");
  await page.route("**/graphql", hold());
  await page.evaluate((moment) => (location.hash = `#/fleet?at=${moment}`), given.moments[1]);
  await counts.getByText("Loading").waitFor();
  await total(page, given.counts[0]);
  check(await counts.getAttribute("aria-busy") === "true", "nothing says that they are those of before");
  released();
  await total(page, given.counts[1]);
  await counts.locator(".loading").waitFor({ state: "detached" });
  check(await counts.getAttribute("aria-busy") === "false", "it is said to load for ever");
}

/** The server is away at the first look at a page of its own files: that is said plainly, and the page comes once it is back. */
export async function lostAtFirst({ open, given, expected, check }) {
  expected.push(/ERR_FAILED|ERR_CONNECTION|Failed to load resource/);
  const page = await open({ at: given.at });
  await rows(page).first().waitFor();
  await page.locator(".time-bar.is-live").waitFor();
  await page.evaluate(() => (window.untouched = true));
  const away = (route) => route.abort();
  await page.route("**/*", away);
  await rows(page).first().getByRole("link").click();
  await page.locator("main").getByRole("alert").getByText("The server does not answer.").waitFor();
  await page.locator(".time-bar").getByRole("button", { name: "Live, not connected" }).waitFor();
  check((await page.locator("body").innerText()).match(/does not answer/g).length === 1, "that the server is away is said twice");
  check(!/fetch/i.test(await page.locator("main").innerText()), "what the browser says of a module is told to people");
  await page.unroute("**/*", away);
  await page.locator(".twin h1").waitFor();
  await page.locator(".time-bar.is-live").waitFor();
  await page.route("**/*", away);
  await page.getByRole("link", { name: "Signals" }).click();
  await page.getByRole("link", { name: "Pipeline" }).click();
  await page.locator("main").getByRole("alert").getByText("The server does not answer.").waitFor();
  await page.unroute("**/*", away);
  await page.getByRole("heading", { name: "Pipeline" }).waitFor();
  check(await page.evaluate(() => window.untouched), "the page was loaded anew");
}

/** Where the server is away from the start one thing is said, with what to do, and nothing is said to load; it comes once the server is back. */
export async function neverThere({ open, given, expected, check }) {
  expected.push(/ERR_FAILED|ERR_CONNECTION|Failed to load resource/);
  const away = (route) => route.abort();
  for (const [hash, there] of Object.entries(given.pages)) {
    const page = await open({ at: given.at, hash, prepare: (page) => page.route("**/graphql", away) });
    await page.locator("main").getByRole("alert").getByText("Is it running").waitFor();
    const said = (await page.locator("body").innerText()).match(/does not answer/g).length;
    check(said === 1, `${hash}: that the server is away is said ${said} times`);
    check(await page.locator(".loading").count() === 0, `${hash}: it is said to load`);
    await page.unroute("**/graphql", away);
    await page.locator(there).first().waitFor();
    await page.locator(".lost").first().waitFor({ state: "detached" });
    await page.context().close();
  }
}

/** Vehicles at one place, which no zoom takes apart, are listed by a click on their circle and by keys; the way back leads to all. */
export async function onePlace({ open, given, check }) {
  const page = await open({ at: given.at, hash: `#/fleet?view=${given.view}` });
  const map = page.locator(".map canvas");
  const listed = (count) => page.waitForFunction((wanted) => document.querySelectorAll("table.vehicles tbody tr").length === wanted, count);
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === count, String(given.all));
  await listed(given.all);
  const pick = { pointer: () => map.click(), keys: () => map.press("Enter") };
  const seen = {};
  for (const [name, picked] of Object.entries(pick)) {
    await picked();
    await listed(given.here);
    check(await page.evaluate(() => document.activeElement.matches(".beside .scroll")), "the focus is not on the table");
    check(page.url().includes("box="), "what is listed has no address");
    await page.reload();
    await listed(given.here);
    seen[name] = await names(page);
    await page.goBack();
    await listed(given.all);
  }
  return seen;
}

/** A circle of vehicles that are apart is gone nearer to, by a click and by keys, until each is by itself; keys open the one in the middle. */
export async function apart({ open, given }) {
  const page = await open({ at: given.at, hash: `#/fleet?view=${given.view}` });
  const map = page.locator(".map canvas");
  const clusters = () => map.getAttribute("data-clusters");
  await page.waitForFunction(() => document.querySelector(".map canvas").dataset.clusters === "1");
  await map.focus();
  for (let turn = 0; turn < 40 && await clusters() !== "0"; turn += 1) {
    const before = page.url();
    await (turn % 2 ? page.keyboard.press("Enter") : map.click());
    await page.waitForURL((url) => String(url) !== before);
  }
  await page.keyboard.press("Enter");
  await page.locator(".twin h1").waitFor();
  return page.locator(".head code").innerText();
}

/** As near as the map goes there are still more vehicles in a circle than can be told apart: a click lists them. */
export async function yard({ open, given }) {
  const page = await open({ at: given.at, hash: `#/fleet?view=${given.view}` });
  const map = page.locator(".map canvas");
  await page.waitForFunction((count) => document.querySelector(".map canvas").dataset.seen === count, String(given.all));
  await map.click();
  await page.waitForURL(/box=/);
  await page.locator(".counts[aria-busy=false]").waitFor();
  await page.locator("main .loading").first().waitFor({ state: "detached" });
  return [await page.locator(".counts b").first().innerText(), await rows(page).count()];
}
