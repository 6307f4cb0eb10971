/** The pages of a twin. */

const at = (id, part = "", query = "") => `#/vehicle/${id}${part && `/${part}`}${query && `?${query}`}`;
const value = (page, label) => page.locator(".value", { has: page.locator(`dt:text-is("${label}")`) });

/** Ask the API itself. */
export async function ask(page, base, query, variables) {
  const response = await page.request.post(`${base}/graphql`, { data: { query, variables }, headers: { accept: "application/json" } });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Where it is, its trips, and the one that is chosen, also after a reload. */
export async function navigation({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  await value(page, "Speed").waitFor();
  const speed = await value(page, "Speed").innerText();
  const rows = page.locator("main table tbody tr");
  check(await rows.count() === given.trips, `${await rows.count()} trips`);
  await rows.last().getByRole("button").first().click();
  await page.waitForURL(/trip=/);
  await page.reload();
  await page.locator('tr[aria-current="true"]').waitFor();
  check(await rows.last().getAttribute("aria-current") === "true", "the chosen trip is not chosen after a reload");
  await page.locator(".map canvas").waitFor();
  return { speed, label: await page.locator(".map canvas").getAttribute("aria-label"), heading: await page.locator("h1").innerText() };
}

/** What plays and has played; markup in a title is text. */
export async function media({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id, "media") });
  await page.locator("main table tbody tr").first().waitFor();
  return {
    title: await value(page, "Title").locator("button").innerText(),
    played: await page.locator("main table tbody th").allInnerTexts(),
    hacked: await page.evaluate(() => window.hacked ?? null),
    images: await page.locator("main img, main script").count(),
  };
}

export async function diagnostics({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id, "diagnostics") });
  await page.locator("main table").first().waitFor();
  await page.locator("details summary").first().click();
  return {
    tables: await page.locator("main table").evaluateAll((tables) => tables.map((table) => [...table.tBodies[0].rows].map((row) => row.innerText))),
    odometer: await value(page, "Odometer").innerText(),
    fuel: await value(page, "Fuel").innerText(),
    battery: await value(page, "12 V battery").innerText(),
    tyre: await value(page, given.tyre).innerText(),
    frame: await page.locator(".frame").first().innerText(),
  };
}

/** Any signal as a plot, where gaps are gaps; the library comes with the first one. */
export async function signals({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "signals") });
  const before = await page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => name.includes("uPlot.esm")));
  check(!before, "the plot is loaded before it is needed");
  await page.getByRole("searchbox").fill("airtemp");
  const row = page.locator("main table tbody tr");
  await page.waitForFunction(() => document.querySelectorAll("main table tbody tr").length === 1);
  await row.getByRole("button", { name: /^Plot/ }).click();
  const plot = page.locator(".plot [role=img]");
  await plot.locator("canvas").waitFor();
  await page.reload();
  await plot.locator("canvas").waitFor();
  const shown = { points: await plot.getAttribute("data-points"), gaps: await plot.getAttribute("data-gaps"), label: await plot.getAttribute("aria-label") };
  await page.getByRole("searchbox").fill("speed");
  await page.getByRole("button", { name: /^Plot/ }).first().click(); // another takes its place, without a complaint
  await page.waitForFunction((before) => document.querySelector(".plot [role=img]")?.getAttribute("aria-label") !== before, shown.label);
  await page.getByRole("link", { name: "Events" }).first().click();
  await plot.waitFor({ state: "detached" });
  return shown;
}

/** What plots show of signals, and whether what is written at their axes has room; of words, the changes too. */
export async function plots({ open, given }) {
  const seen = {};
  for (const path of given.paths) {
    const page = await open({
      at: given.at,
      hash: at(given.id, "signals", `plot=${path}`),
      locale: given.locale ?? "en-GB",
      prepare: (page) => page.addInitScript(() => {
        const { fillText } = CanvasRenderingContext2D.prototype;
        window.written = [];
        CanvasRenderingContext2D.prototype.fillText = function (text, x, ...more) {
          const { width } = this.measureText(text);
          const left = x + this.getTransform().e - width * { left: 0, start: 0, center: 0.5, right: 1, end: 1 }[this.textAlign];
          window.written.push({ text, cut: left < -0.5 || left + width > this.canvas.width + 0.5 });
          return fillText.call(this, text, x, ...more);
        };
      }),
    });
    await page.locator(".plot [role=img] canvas, .plot table").first().waitFor();
    const plot = page.locator(".plot [role=img]");
    seen[path] = {
      said: (await plot.count()) ? await plot.getAttribute("aria-label") : null,
      gaps: (await plot.count()) ? await plot.getAttribute("data-gaps") : null,
      caption: await page.locator(".plot figcaption").innerText(),
      written: [...new Set(await page.evaluate(() => window.written.map(({ text }) => text)))],
      cut: await page.evaluate(() => window.written.filter(({ cut }) => cut).map(({ text }) => text)),
      changes: await page.locator(".plot tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))),
    };
    await page.context().close();
  }
  return seen;
}

export async function events({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "events") });
  const types = () => page.locator("main table tbody th").allInnerTexts();
  await page.locator("main table tbody tr").first().waitFor();
  const all = await types();
  await page.getByLabel("Type").selectOption(given.type);
  await page.waitForFunction((type) => [...document.querySelectorAll("main table tbody th")].every((each) => each.innerText === type), given.type);
  await page.reload();
  await page.locator("main table tbody tr").first().waitFor();
  const some = await types();
  check(some.length && some.every((each) => each === given.type), "the filter is lost with a reload");
  await page.locator("details summary").first().click();
  return { all: all.length, some: some.length, data: await page.locator("details pre").first().innerText() };
}

/** What is said of a part in each language. */
export async function said({ open, given }) {
  const seen = {};
  for (const locale of given.locales) {
    for (const part of given.parts) {
      const page = await open({ at: given.at, hash: at(given.id, part), locale });
      await page.locator("main .tabs").waitFor();
      await page.locator("main .value, main table tbody tr, main .note:not(.loading)").first().waitFor();
      seen[`${locale} ${part}`] = await page.locator("main").innerText();
      await page.context().close();
    }
  }
  return seen;
}

/** From a value to its event, batch and decoder; with keys alone. */
export async function explain({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const button = value(page, "Speed").locator("button");
  await button.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.locator(".way").waitFor();
  const text = await dialog.innerText();
  check(page.url().includes("explain=Vehicle.Speed"), "the explanation has no address");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.waitForFunction(() => !location.href.includes("explain")); // a step back takes a moment
  check(await button.evaluate((each) => each === document.activeElement), "the focus is lost");
  await page.keyboard.press("Enter");
  await dialog.getByRole("link").focus();
  await page.keyboard.press("Enter"); // to its events
  await dialog.waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement.id === "main");
  return text;
}

/** Back closes an explanation and stays on its page, as closing it leads back: the focus is on the value again. */
export async function backFromExplained({ open, given, check }) {
  const page = await open({ at: given.at, hash: "#/fleet" });
  await page.evaluate((hash) => (location.hash = hash), at(given.id));
  const button = value(page, "Speed").locator("button");
  const dialog = page.getByRole("dialog");
  const shown = async () => {
    await dialog.waitFor({ state: "detached" });
    await page.waitForFunction(() => !location.href.includes("explain"));
    check(await button.evaluate((each) => each === document.activeElement), "the focus is lost");
  };
  const explained = async () => {
    await button.focus();
    await page.keyboard.press("Enter");
    await dialog.locator(".way").waitFor();
  };
  await explained();
  await page.goBack();
  await shown();
  await page.goForward();
  await dialog.locator(".way").waitFor();
  await page.goBack();
  await shown();
  await explained();
  await page.keyboard.press("Escape");
  await shown();
  await page.goBack(); // nothing of the explanation is between here and the fleet
  await page.waitForURL(/#\/fleet/);
}

/** An explanation that was opened by its address is closed on its page, and the focus is not nowhere. */
export async function closedExplained({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "", "explain=Vehicle.Speed") });
  await page.getByRole("dialog").locator(".way").waitFor();
  await page.getByRole("button", { name: "Close" }).press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" }); // by its role, it is not there from when it begins to close
  await page.waitForFunction(() => !location.href.includes("explain"));
  await page.waitForFunction(() => document.activeElement !== document.body);
}

/** The scrubber shows what the API answers as of that moment. */
export async function past({ open, given, base }) {
  const page = await open({ at: given.at, hash: at(given.id, "signals", "find=AirTemperature") });
  const shown = () => page.locator("main table tbody td .plain").first().innerText();
  await page.locator("main table tbody tr").first().waitFor();
  const seen = [];
  for (const moment of given.moments) {
    await page.getByLabel("Date and time").fill(moment.slice(0, 19));
    await page.waitForFunction((wanted) => location.hash.includes(encodeURIComponent(wanted)), moment);
    await page.locator(".time-bar.is-past").waitFor();
    const query = `query($id: ID!, $asOf: DateTime) { vehicle(id: $id, asOf: $asOf) { signal(path: "Vehicle.Exterior.AirTemperature") { value } } }`;
    const { vehicle } = await ask(page, base, query, { id: given.id, asOf: moment });
    await page.waitForFunction((wanted) => document.querySelector("main table tbody td .plain")?.innerText === wanted, `${vehicle.signal.value} °C`);
    seen.push([await shown(), vehicle.signal.value]);
  }
  await page.getByRole("button", { name: "Live" }).click();
  await page.locator(".time-bar.is-live").waitFor();
  return seen;
}

/** Late data: true of a moment, but not known then. */
export async function known({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "signals", `find=AirTemperature&at=${given.moment}`) });
  await page.locator("main table tbody tr").first().waitFor();
  const wasTrue = await page.locator("main table tbody tr").first().innerText();
  await page.getByLabel("By which clock").selectOption("known");
  await page.waitForFunction((before) => document.querySelector("main").innerText.includes("°C") === false || document.querySelector("main table tbody tr")?.innerText !== before, wasTrue);
  await page.locator("main .note:not(.loading), main table tbody tr").first().waitFor();
  await page.reload(); // the address holds the clock, too
  await page.locator("main table tbody tr").first().waitFor();
  check(await page.getByLabel("By which clock").inputValue() === "known", "the clock is lost with a reload");
  return { wasTrue, wasKnown: await page.locator("main table tbody tr").first().innerText() };
}

/** Played on, the moment moves by itself. */
export async function play({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "signals", `at=${given.moment}&speed=600`) });
  const now = () => Date.parse(new URLSearchParams(page.url().split("?")[1]).get("at"));
  const begun = now();
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.waitForFunction((from) => Date.parse(new URLSearchParams(location.hash.split("?")[1]).get("at")) > from, begun);
  check((now() - begun) % 600_000 === 0, "it does not go at its speed");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
}

/** Two moments side by side; each value of a signal is explained as of its own moment. */
export async function compare({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "compare", `at=${given.right}&vs=${given.left}`) });
  await page.locator("main table tbody tr").first().waitFor();
  const sides = page.locator("main table tbody tr", { hasText: given.explained }).getByRole("button");
  for (const index of [0, 1]) {
    const text = await sides.nth(index).innerText();
    await sides.nth(index).focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog .way").waitFor();
    const told = await page.locator("dialog .way dd").first().innerText();
    check(told.startsWith(text), `${text} is explained as ${told}`);
    await page.reload();
    await page.locator("dialog .way").waitFor();
    check(await page.locator("dialog .way dd").first().innerText() === told, "the explanation is another one after a reload");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    check(!/explain|side/.test(page.url()), page.url());
  }
  return { count: await page.locator("main p[role=status]").innerText(), rows: await page.locator("main table tbody tr").allInnerTexts() };
}

export async function absent({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  await page.locator("main .note:not(.loading)").waitFor();
  return page.locator("main").innerText();
}

/** Every value of these parts explains itself. */
export async function explained({ open, given, check }) {
  const found = {};
  for (const part of given.parts) {
    const page = await open({ at: given.at, hash: at(given.id, part) });
    await page.locator(".value button").first().waitFor();
    found[part] = await page.locator(".value button").count();
    for (let index = 0; index < found[part]; index += 1) {
      await page.locator(".value button").nth(index).click();
      await page.locator("dialog .way, dialog .failed").waitFor();
      check(await page.locator("dialog .failed").count() === 0, `${page.url()}: ${await page.locator("dialog").innerText()}`);
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
    }
  }
  return found;
}

/** The steps of the way of a value. */
export async function way({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id, "signals", `explain=${given.path}`) });
  await page.locator("dialog .way").waitFor();
  return Object.fromEntries(await page.locator("dialog .way > div").evaluateAll((steps) => steps.map((step) => [...step.children].map((each) => each.innerText))));
}

/** What events told leads back to them, with keys alone: of each part what is clicked, and what it is explained by. */
export async function told({ open, given, check }) {
  const seen = {};
  for (const [part, query] of Object.entries(given.parts)) {
    const page = await open({ at: given.at, hash: at(given.id, part, query) });
    await page.locator("main table tbody tr").first().waitFor();
    const buttons = page.locator("main table button[title]");
    seen[part] = [];
    for (let index = 0; index < await buttons.count(); index += 1) {
      const button = buttons.nth(index);
      await button.press("Enter");
      await page.locator("dialog .way, dialog .failed").waitFor();
      check(await page.locator("dialog .failed").count() === 0, `${page.url()}: ${await page.locator("dialog").innerText()}`);
      await page.reload(); // it has an address
      await page.locator("dialog .way").waitFor();
      await page.locator("dialog summary").click();
      seen[part].push([await button.innerText(), await page.locator("dialog .way a").innerText(), await page.locator("dialog pre").innerText(), await page.locator("dialog .way").innerText()]);
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.waitForFunction(() => !location.href.includes("explain"));
    }
  }
  return seen;
}

/** What is counted of the telemetry leads to the events that tell it. */
export async function counted({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id, "diagnostics") });
  await page.getByRole("link", { name: given.link }).click();
  await page.locator("main table tbody tr").first().waitFor();
  return page.locator("main table tbody th").allInnerTexts();
}

/** The trips that are listed. */
export async function trips({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id), prepare: (page) => page.addInitScript((token) => token && sessionStorage.setItem("fleettwin.token", token), given.token ?? null) });
  const listed = async () => {
    await page.locator("main table tbody tr").first().waitFor();
    return page.locator("main table tbody tr").evaluateAll((rows) => rows.map((row) => row.cells[4].innerText));
  };
  const seen = [await listed(), await page.locator(".beside").innerText()];
  if (!given.next) return seen;
  await page.getByRole("button", { name: "Next page" }).click();
  await page.waitForFunction((count) => document.querySelectorAll("main table tbody tr").length === count, given.next);
  return [...seen, await listed()];
}

/** Ages grow while a vehicle tells nothing. */
export async function aged({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const age = page.locator(".head time");
  await age.waitFor();
  const before = await age.innerText();
  await page.clock.setFixedTime(new Date(given.later));
  await page.waitForFunction((text) => document.querySelector(".head time").innerText !== text, before);
  return [before, await age.innerText()];
}

/** Units and dates as they are read in the United States, until others are chosen. */
export async function american({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id), locale: "en-US" });
  const seen = () => Promise.all([value(page, "Speed").locator("button").innerText(), page.locator("main table tbody th").first().innerText(), page.locator(".legend li").first().innerText()]);
  await value(page, "Speed").waitFor();
  const american = await seen();
  await page.getByLabel("Units").selectOption("metric");
  await page.reload();
  await value(page, "Speed").waitFor();
  return { american, metric: await seen() };
}

/** The scrubber says where it is while it is moved, and goes there when it is let go. */
export async function scrubbed({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const scrubber = page.getByLabel("Moment");
  await value(page, "Speed").waitFor();
  const move = (type) => scrubber.evaluate((input, name) => {
    input.value = "500";
    input.dispatchEvent(new Event(name, { bubbles: true }));
  }, type);
  const before = await page.getByLabel("Date and time").inputValue();
  await move("input");
  await page.waitForFunction(() => document.querySelector(".scrub input").getAttribute("aria-valuetext") !== "Live");
  await page.waitForFunction((before) => document.querySelector("input[type=datetime-local]").value !== before, before); // with the next picture
  check(!page.url().includes("at="), "it goes before it is let go");
  const said = [await scrubber.getAttribute("aria-valuetext"), await page.getByLabel("Date and time").inputValue()];
  await move("change");
  await page.waitForURL(/at=/);
  return [...said, new URLSearchParams(page.url().split("?")[1]).get("at")];
}

/** The right end of the scrubber is the present, with keys and with the pointer. */
export async function liveEnd({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const scrubber = page.getByLabel("Moment");
  await value(page, "Speed").waitFor();
  for (const end of [() => scrubber.press("End"), async () => {
    const { x, y, width, height } = await scrubber.boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width - 1, y + height / 2, { steps: 4 });
    await page.waitForFunction(() => document.querySelector(".scrub input").getAttribute("aria-valuetext") === "Live");
    check(page.url().includes("at="), "it goes before it is let go");
    await page.mouse.up();
  }]) {
    await scrubber.press("PageDown"); // back from the present
    await page.locator(".time-bar.is-past").waitFor();
    await page.clock.setFixedTime(new Date(given.later)); // the present has gone on since
    await end();
    await page.locator(".time-bar.is-live").waitFor();
    check(!page.url().includes("at="), page.url());
  }
}

/** In a window of the past the right end is a moment like any other. */
export async function pastEnd({ open, given }) {
  const page = await open({ at: given.at, hash: at(given.id, "", `at=${given.moment}&span=1h`) });
  await value(page, "Speed").waitFor();
  await page.getByLabel("Moment").press("End");
  await page.waitForFunction((moment) => !location.hash.includes(encodeURIComponent(moment)), given.moment);
  return new URLSearchParams(page.url().split("?")[1]).get("at");
}

/** A date and time typed key by key, as somebody does who has no pointer. */
export async function typed({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id, "media"), locale: "en-US" });
  await page.locator(".value").first().waitFor();
  await page.getByLabel("Date and time").focus();
  for (const key of given.keys) {
    await page.keyboard.type(key);
    check(!/at=0/.test(page.url()), "a year is taken before it is typed to its end");
  }
  await page.waitForURL(/at=/);
  return new URLSearchParams(page.url().split("?")[1]).get("at");
}

/** Who has the VIN only is led to the vehicle, in the part that was asked for; the way back does not lead there again. */
export async function byVin({ open, given, check }) {
  const page = await open({ at: given.at, hash: "#/fleet" });
  await page.evaluate((vin) => (location.hash = `#/vehicle/${vin}/media?speed=60`), given.vin);
  await page.locator("main table tbody tr").first().waitFor();
  const found = page.url().match(/#\/vehicle\/([^/]+)\/media\?speed=60$/);
  check(found, page.url());
  await page.goBack();
  await page.waitForURL(/#\/fleet/);
  return decodeURIComponent(found[1]);
}

/** While another moment loads, what is shown is still of the moment before, and so are its ages. */
export async function kept({ open, given, check }) {
  const page = await open({ at: given.at, hash: `${given.hash}?at=${given.moments[0]}` });
  const shown = () => page.locator("main").evaluate((main) => [...main.querySelectorAll("table.vehicles tbody tr, .head time, .provenance, table thead")].map((each) => each.textContent));
  await page.locator("main .provenance time, table.vehicles tbody tr").first().waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
  const before = await shown();
  let released = () => {};
  const held = new Promise((done) => (released = done));
  await page.route("**/graphql", (route) => held.then(() => route.continue()));
  await page.evaluate(([hash, moment]) => (location.hash = `${hash}?at=${moment}`), [given.hash, given.moments[1]]);
  await page.locator("main .loading").first().waitFor();
  const meanwhile = await shown();
  check(JSON.stringify(meanwhile) === JSON.stringify(before), `${JSON.stringify(before)} became ${JSON.stringify(meanwhile)}`);
  released();
  await page.locator(".loading").first().waitFor({ state: "detached" });
  check(JSON.stringify(await shown()) !== JSON.stringify(before), "it stays that of the moment before");
}

/** The map shows track, vehicle and destination, and follows the vehicle until somebody moves the map; "Show all" follows it again. */
export async function tracked({ open, given, base, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const boxHas = (places) => page.waitForFunction((wanted) => {
    const [south, west, north, east] = window.shownBox();
    return wanted.every(([latitude, longitude]) => latitude > south && latitude < north && longitude > west && longitude < east);
  }, places);
  const box = () => page.evaluate(() => window.shownBox());
  const moved = async (turn) => {
    await page.request.post(`${base}/changed`);
    await value(page, "Place").getByText(`${given.places[turn][0]}°`).waitFor();
  };
  await page.locator(".map canvas").waitFor();
  await page.evaluate(async () => (window.shownBox = (await import("/console/js/parts/map_view.js")).shownBox));
  await boxHas([...given.track, given.goal]);
  await moved(0);
  await boxHas([...given.track, given.goal, given.places[0]]);
  await page.locator(".map canvas").press("ArrowRight");
  const before = await box();
  await moved(1);
  check(JSON.stringify(await box()) === JSON.stringify(before), "the map goes away from what somebody looks at");
  await page.getByRole("button", { name: "Show all" }).click();
  await boxHas([given.goal, given.places[1]]);
  await moved(2);
  await boxHas([given.goal, given.places[2]]);
}

/** The field for date and time shows the present while that is looked at, and is left alone where somebody types. */
export async function ticking({ open, given, check }) {
  const page = await open({ at: given.at, hash: at(given.id) });
  const field = page.getByLabel("Date and time");
  const shows = (minute) => page.waitForFunction((wanted) => document.querySelector(".time-bar input[type=datetime-local]").value === wanted, minute);
  await shows(given.minutes[0]);
  await page.clock.setFixedTime(new Date(given.later[0]));
  await shows(given.minutes[1]);
  check(!page.url().includes("at="), "the present has become a moment of the past");
  await field.focus();
  await page.clock.setFixedTime(new Date(given.later[1]));
  await page.waitForFunction((most) => document.querySelector(".time-bar input[type=datetime-local]").max.startsWith(most), given.minutes[2]);
  check(await field.inputValue() === given.minutes[1], "it changes under the fingers of who types");
}
