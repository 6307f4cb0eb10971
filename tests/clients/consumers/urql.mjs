// urql: a query, pages, an error, documents by hash.
import { cacheExchange, Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { codes, headers, noted, PAGE, sent, url, VEHICLE, vin, WRONG } from "./asked.mjs";

const fetchOptions = { headers };
const common = { url, fetch: noted, fetchOptions, preferGetMethod: false };
const plain = new Client({ ...common, exchanges: [cacheExchange, fetchExchange] });
const found = {};
found.vehicle = (await plain.query(VEHICLE, { vin }).toPromise()).data.vehicle;
found.vins = [];
for (let after = null, more = true; more; ) {
  const { data } = await plain.query(PAGE, { after }).toPromise();
  found.vins.push(...data.vehicles.edges.map((edge) => edge.node.vin));
  ({ hasNextPage: more, endCursor: after } = data.vehicles.pageInfo);
}
const wrong = await plain.query(WRONG, { vin }).toPromise();
found.wrong = { codes: codes(wrong.error?.graphQLErrors), vin: wrong.data?.vehicle?.vin };
const unknown = await plain.query("{ nothing }", {}).toPromise();
found.unknown = codes(unknown.error?.graphQLErrors);
sent.length = 0;
const exchanges = [persistedExchange({ preferGetForPersistedQueries: false }), fetchExchange];
const byHash = new Client({ ...common, exchanges });
found.byHash = (await byHash.query(VEHICLE, { vin }).toPromise()).data?.vehicle?.vin;
found.sent = [...sent];
sent.length = 0;
const inUrl = new Client({ ...common, exchanges: [persistedExchange({ preferGetForPersistedQueries: true }), fetchExchange] });
found.inUrl = (await inUrl.query(VEHICLE, { vin }).toPromise()).data?.vehicle?.vin;
found.sentInUrl = [...sent];
console.log(JSON.stringify(found));
