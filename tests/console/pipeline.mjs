/** The pipeline: stages, parked events and their retry, versions of projections. */

const rows = (page) => page.locator("table.parked tbody tr");

/** Parked events with their errors; one is taken up again with the keyboard, before and after its cause is mended. */
export async function retried({ open, given, base, check }) {
  const page = await open({ at: given.at, hash: "#/pipeline/parked" });
  await rows(page).first().waitFor();
  const seen = await page.locator("main").innerText();
  const before = await rows(page).count();
  const press = async (says) => {
    await page.getByRole("button", { name: given.button }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").filter({ hasText: says }).waitFor();
    check(await page.evaluate(() => document.activeElement.classList.contains("said")), "the focus is lost");
  };
  await press("stays parked");
  await page.getByText("attempts: 2").waitFor();
  await fetch(`${base}/mended`);
  await press("goes on");
  await page.waitForFunction((count) => document.querySelectorAll("table.parked tbody tr").length === count, before - 1);
  return { seen, before, left: await rows(page).allInnerTexts() };
}

const main = (page) => page.locator("main").innerText();
const signedIn = (token) => (token ? (page) => page.addInitScript((text) => sessionStorage.setItem("fleettwin.token", text), token) : undefined);

/** What each view says, once `wait` is there. */
export async function views({ open, given }) {
  const seen = {};
  for (const [name, { hash, wait }] of Object.entries(given.views)) {
    const page = await open({ at: given.at, hash, locale: given.locale ?? "en-GB", prepare: signedIn(given.token) });
    await page.getByText(wait).first().waitFor();
    seen[name] = await main(page);
    await page.context().close();
  }
  return seen;
}

/** A version is filled while somebody looks on, and what it is to be compared with is a link away. */
export async function filled({ open, given, base }) {
  const page = await open({ at: given.at, hash: "#/pipeline" });
  const row = page.locator("table.versions tbody tr", { hasText: "navigation v2" });
  await row.getByText("being filled").waitFor();
  const before = await row.innerText();
  await fetch(`${base}/filled`);
  await row.getByText("follows the log").waitFor();
  const after = await row.innerText();
  await row.getByRole("link", { name: "compare with v1" }).click();
  await page.getByText(given.wait).waitFor();
  return { before, after, compared: await main(page), hash: await page.evaluate(() => location.hash) };
}

/** The time bar of the pipeline says that it is about now only, keeps the moment of the other pages, and leads on with keys. */
export async function present({ open, given, check }) {
  const page = await open({ at: given.at, hash: `#/pipeline?at=${given.moment}` });
  const bar = page.locator(".time-bar");
  await page.locator("table.versions").waitFor();
  check(await page.getByLabel("Moment").isDisabled(), "the pipeline can be scrubbed");
  const text = await bar.innerText();
  const described = await page.getByLabel("Moment").evaluate((range) => document.getElementById(range.getAttribute("aria-describedby"))?.innerText);
  await page.getByRole("link", { name: "Fleet", exact: true }).click();
  await page.locator(".time-bar.is-past").waitFor();
  return { text, described, at: new URLSearchParams(page.url().split("?")[1]).get("at") };
}

/** The digest of a version, and its proof, with the keyboard. */
export async function digests({ open, given }) {
  const page = await open({ at: given.at, hash: "#/pipeline" });
  const row = page.locator("table.versions tbody tr", { hasText: given.row });
  const seen = [];
  for (const [button, wait] of given.presses) {
    await row.getByRole("button", { name: button }).focus();
    await page.keyboard.press("Enter");
    await row.getByText(wait).waitFor();
    if (await page.evaluate(() => document.activeElement.tagName) !== "BUTTON") throw new Error("the focus is lost");
    seen.push(await row.locator("code").getAttribute("title"));
  }
  return seen;
}

/** Two versions are chosen with the keyboard, and the address keeps them. */
export async function chosen({ open, given }) {
  const page = await open({ at: given.at, hash: "#/pipeline/compare" });
  await page.getByText(given.wait).waitFor();
  await page.getByLabel("against").focus();
  await page.keyboard.press("ArrowUp");
  await page.getByText("Choose two versions").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.getByText(given.wait).waitFor();
  await page.reload();
  await page.getByText(given.wait).waitFor();
  return { text: await main(page), hash: await page.evaluate(() => location.hash) };
}

/** What a retry that is refused, or that fails, says; and that it can be tried again. */
export async function refused({ open, given, expected }) {
  expected.push(/status of 503/);
  const page = await open({ at: given.at, hash: "#/pipeline/parked", prepare: signedIn(given.token) });
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: given.button }).click();
  await page.getByRole("alert").waitFor();
  const text = await page.getByRole("alert").innerText();
  await page.getByRole("button", { name: given.button, disabled: false }).waitFor();
  return text;
}
