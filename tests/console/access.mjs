/** Tokens: who has none is asked for one, and everyone sees what theirs shows. */

const sum = (page) => page.locator("table.vehicles tbody th small").allTextContents();

/** Sign in with each token and see its fleet; a wrong one is told of. */
export async function fleets({ open, given, expected, check }) {
  expected.push(/status of 401/);
  const seen = {};
  for (const [brand, token] of Object.entries(given.tokens)) {
    const page = await open({ at: given.at });
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    await page.getByLabel("Access token").fill("schlüssel"); // which no header can hold
    await page.getByRole("button", { name: "Continue" }).click();
    check(await page.locator("#token:invalid").count() === 1, "what cannot be a token is taken");
    await page.getByLabel("Access token").fill("wrong");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("The token is not taken").waitFor();
    await page.getByLabel("Access token").fill(`Bearer ${token} `);
    await page.keyboard.press("Enter");
    await page.locator("table.vehicles tbody tr").first().waitFor();
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
