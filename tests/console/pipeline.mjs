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
