// PostGraphile over the tables of the read models, as the role of the API: the peer of bench/partner_api.py.
// What it is given comes in the environment: PGHOST, PGUSER, PGDATABASE as libpq has them, BRANDS, PORT.
import { createServer } from "node:http";
import pg from "pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/node";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { jsonPgSmartTags } from "postgraphile/utils";

const signalsOf = (field) => ({
  tags: {
    foreignKey: `(vehicle_id) references directory (vehicle_id)|@foreignSimpleFieldName ${field}`,
    behavior: ["+list", "-connection"],
  },
});

const pool = new pg.Pool({ max: 8, options: "-c enable_mergejoin=off" });
const pgSettings = { role: "fleettwin_api", "fleettwin.brands": process.env.BRANDS };

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [
    jsonPgSmartTags({
      version: 1,
      config: {
        class: {
          navigation_v1_signals: signalsOf("navigation"),
          media_v1_signals: signalsOf("media"),
          diagnostics_v1_signals: signalsOf("diagnostics"),
        },
      },
    }),
  ],
  pgServices: [makePgService({ pool, schemas: ["public"] })],
  grafast: { context: () => ({ pgSettings }), explain: false },
  grafserv: { graphiql: false, watch: false, graphqlPath: "/graphql" },
};

const instance = postgraphile(preset);
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(`GraphQL: http://127.0.0.1:${server.address().port}/graphql`);
});
