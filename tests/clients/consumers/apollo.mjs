// Apollo Client: a query, pages, an error, documents by hash.
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { codes, headers, noted, PAGE, sent, url, VEHICLE, vin, WRONG } from "./asked.mjs";

const http = new HttpLink({ uri: url, headers, fetch: noted });
const cache = () => new InMemoryCache();
const plain = new ApolloClient({ cache: cache(), link: http, defaultOptions: { query: { errorPolicy: "all" } } });
const found = {};
found.vehicle = (await plain.query({ query: gql(VEHICLE), variables: { vin } })).data.vehicle;
found.vins = [];
for (let after = null, more = true; more; ) {
  const { data } = await plain.query({ query: gql(PAGE), variables: { after } });
  found.vins.push(...data.vehicles.edges.map((edge) => edge.node.vin));
  ({ hasNextPage: more, endCursor: after } = data.vehicles.pageInfo);
}
const wrong = await plain.query({ query: gql(WRONG), variables: { vin } });
found.wrong = { codes: codes(wrong.error?.errors), vin: wrong.data?.vehicle?.vin };
const unknown = await plain.query({ query: gql("{ nothing }") });
found.unknown = codes(unknown.error?.errors);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
for (const [name, useGETForHashedQueries] of [["", false], ["InUrl", true]]) {
  sent.length = 0;
  const hashed = new PersistedQueryLink({ sha256, useGETForHashedQueries });
  const byHash = new ApolloClient({ cache: cache(), link: ApolloLink.from([hashed, http]) });
  found[name ? "inUrl" : "byHash"] = (await byHash.query({ query: gql(VEHICLE), variables: { vin } })).data.vehicle.vin;
  found[`sent${name}`] = [...sent];
}
console.log(JSON.stringify(found));
