// What every client here asks, as a partner would write it.
export const VEHICLE = `
  query Vehicle($vin: String!) {
    vehicle(vin: $vin) { id vin brand navigation { speed { value unit status } } }
  }
`;
export const PAGE = `
  query Page($after: String) {
    vehicles(first: 1, after: $after) { edges { cursor node { id vin } } pageInfo { hasNextPage endCursor } }
  }
`;
export const WRONG = `
  query Wrong($vin: String!) {
    vehicle(vin: $vin) { id vin signal(path: "Vehicle.Sped") { value } }
  }
`;
export const [url, token, vin] = process.argv.slice(2);
export const headers = { authorization: `Bearer ${token}` };
export const codes = (errors) => (errors ?? []).map((each) => each.extensions?.code ?? String(each));

// A fetch that notes what was sent.
export const sent = [];
export const noted = async (resource, options) => {
  const body = options?.body ? JSON.parse(options.body) : Object.fromEntries(new URL(resource).searchParams);
  sent.push({ method: options?.method ?? "GET", hasText: "query" in body, hasHash: JSON.stringify(body).includes("sha256Hash") });
  return fetch(resource, options);
};
