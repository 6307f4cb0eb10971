// Composes our subgraph with one that extends Vehicle by its id and by its VIN: prints the errors, else what it composed.
// node compose.mjs SUBGRAPH.graphql
import { readFileSync } from "node:fs";
import { parse } from "graphql";
import { composeServices } from "@apollo/composition";
import { buildSubgraphSchema } from "@apollo/subgraph";

const ours = readFileSync(process.argv[2], "utf8");
const garage = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
  type Vehicle @key(fields: "vin") { vin: String! nextService: String }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Query { booked: [Vehicle!]! }
`;
const insurer = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  type Vehicle @key(fields: "id") { id: ID! policy: String }
  type Query { insured: [Vehicle!]! }
`;
buildSubgraphSchema({ typeDefs: parse(ours) });
const { errors, supergraphSdl, hints } = composeServices([
  { name: "twins", url: "http://127.0.0.1/twins", typeDefs: parse(ours) },
  { name: "garage", url: "http://127.0.0.1/garage", typeDefs: parse(garage) },
  { name: "insurer", url: "http://127.0.0.1/insurer", typeDefs: parse(insurer) },
]);
console.log(JSON.stringify({ errors: (errors ?? []).map(String), hints: (hints ?? []).map(String), supergraph: supergraphSdl ?? null }));
process.exitCode = errors?.length ? 1 : 0;
