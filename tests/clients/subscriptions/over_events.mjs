// Subscribes with graphql-sse: node over_events.mjs ADDRESS TOKEN DOCUMENT COUNT prints so many results, a line each.
import { createClient } from "graphql-sse";

const [address, token, query, count] = process.argv.slice(2);
const client = createClient({ url: address, headers: { Authorization: `Bearer ${token}` }, retryAttempts: 0 });
let left = Number(count);
try {
  for await (const result of client.iterate({ query })) {
    console.log(JSON.stringify(result));
    if (--left === 0) break;
  }
} catch (error) {
  console.log(JSON.stringify({ message: error.message }));
}
client.dispose();
process.exit();
