/** Tokens: who has none is asked for one, and everyone sees what theirs shows. */

const sum = (page) => page.locator("table.vehicles tbody th small").allTextContents();

/** Sign in with each token and see its fleet; a wrong one is told of. */
export async function fleets({ open, given, expected, check }) {
  expected.push(/status of 401/);
  const seen = {};
  for (const [brand, token] of Object.entries(given.tokens)) {
    const page = await open({ at: given.at });
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    await page.waitForFunction(() => document.activeElement.id === "token");
    await page.getByLabel("Access token").fill("schlüssel"); // which no header can hold
    await page.getByRole("button", { name: "Continue" }).click();
    check(await page.locator("#token:invalid").count() === 1, "what cannot be a token is taken");
    await page.getByLabel("Access token").fill("wrong");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("The token is not taken").waitFor();
    await page.waitForFunction(() => document.activeElement.id === "token");
    await page.getByLabel("Access token").fill(`Bearer ${token} `);
    await page.keyboard.press("Enter");
    await page.locator("table.vehicles tbody tr").first().waitFor();
    check(await page.evaluate(() => document.activeElement.id) === "main", "the focus is lost with the form");
    await page.locator(".counts b").first().filter({ hasNotText: /^0$/ }).waitFor(); // the map's vehicles come beside those of the table
    seen[brand] = { vins: await sum(page), counts: await page.locator(".counts b").first().innerText() };
    check(!page.url().includes(token), "the token is in the address");
    await page.reload(); // this tab keeps it
    await page.locator("table.vehicles tbody tr").first().waitFor();
    check(await page.evaluate((text) => !JSON.stringify({ ...localStorage }).includes(text), token), "the token outlives the tab");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    check(await page.evaluate(() => sessionStorage.length) === 0, "the token outlives its bearer");
  }
  return seen;
}

/** The one vehicle of a token in the table of the fleet. */
export async function row({ open, given }) {
  const page = await open({ at: given.at, prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token) });
  return page.locator("table.vehicles tbody tr").first().innerText();
}

/** The states of a fleet as a token shows them, what the map says, and how many vehicles are on it. */
export async function states({ open, given }) {
  const page = await open({ at: given.at, prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token) });
  await page.locator(".counts b").first().filter({ hasText: new RegExp(`^${given.all}$`) }).waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
  const counts = await page.locator(".counts a").evaluateAll((links) => links.map((link) => [...link.querySelectorAll("b, .sign")].map((each) => each.innerText).concat(link.innerText.match(/\p{L}+$/u)).join(" ")));
  const map = page.locator(".map");
  const found = { map: await map.innerText(), seen: await map.locator("canvas").getAttribute("data-seen") };
  await page.getByRole("link", { name: "fault" }).click();
  await page.locator(".beside .note, .beside tbody tr").first().waitFor();
  return { counts, ...found, fault: (await page.locator(".beside").innerText()).includes("The token does not show who is in this state") };
}

/** What a token may not show is said to be hidden, with the scope that it lacks; nothing is empty in silence. */
export async function withheld({ open, given }) {
  const seen = {};
  for (const part of given.parts) {
    const page = await open({
      at: given.at,
      hash: `#/vehicle/${given.id}/${part}`,
      prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token),
    });
    await page.locator(".tabs").waitFor();
    await page.locator("main .note:not(.loading), main .value").first().waitFor();
    seen[part] = await page.locator("main").innerText();
  }
  return seen;
}

/** A plot of what the token does not show is no plot without numbers. */
export async function plot({ open, given }) {
  const page = await open({
    at: given.at,
    hash: `#/vehicle/${given.id}/signals?plot=${given.path}`,
    prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token),
  });
  await page.locator(".plot .note:not(.loading)").waitFor();
  await page.locator("main p.status").first().waitFor();
  return { note: await page.locator(".plot .note").innerText(), unnamed: await page.locator("main p.status").first().innerText() };
}

/** Two moments of a vehicle beside each other, as a token shows them: all values, then differences only. */
export async function compared({ open, given }) {
  const seen = {};
  for (const all of ["1", ""]) {
    const page = await open({
      at: given.at,
      hash: `#/vehicle/${given.id}/compare?at=${given.right}&vs=${given.left}&all=${all}`,
      prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token),
    });
    await page.locator("main p[role=status]:not(.loading)").waitFor();
    seen[all ? "all" : "only"] = {
      count: await page.locator("main p[role=status]:not(.loading)").innerText(),
      rows: Object.fromEntries(await page.locator("main table tbody tr").evaluateAll((found) => found.map((row) => [row.cells[0].innerText, row.cells[1].innerText.trim()]))),
      values: Object.fromEntries(await page.locator("main table tbody tr").evaluateAll((found) => found.map((row) => [row.cells[0].innerText, row.cells[2].innerText.trim()]))),
      text: await page.locator("main").innerText(),
    };
  }
  return seen;
}

/** What an explanation says to a token. */
export async function explained({ open, given }) {
  const seen = {};
  for (const what of given.explained) {
    const page = await open({
      at: given.at,
      hash: `#/vehicle/${given.id}/diagnostics?explain=${what}`,
      prepare: (page) => page.addInitScript((token) => sessionStorage.setItem("fleettwin.token", token), given.token),
    });
    await page.locator("dialog .way, dialog .note:not(.loading)").first().waitFor();
    seen[what] = await page.locator("dialog").innerText();
  }
  return seen;
}
