// Subscribes with graphql-ws: node over_socket.mjs ADDRESS TOKEN DOCUMENT COUNT prints so many results, a line each.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [address, token, query, count] = process.argv.slice(2);
const client = createClient({
  url: address.replace("http", "ws"),
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${token}` },
  retryAttempts: 0,
});
let left = Number(count);
try {
  for await (const result of client.iterate({ query })) {
    console.log(JSON.stringify(result));
    if (--left === 0) break;
  }
} catch (error) {
  // A socket that is closed tells its code; an operation that is refused, its errors.
  console.log(JSON.stringify(Array.isArray(error) ? { errors: error } : { code: error.code, reason: error.reason }));
}
await client.dispose();
