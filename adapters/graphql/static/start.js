"use strict";

const tabs = [
  `# The fleet: where each vehicle is and how it is.
# Ctrl-Space completes, Ctrl-Enter runs.
query Fleet {
  vehicles(first: 10) {
    edges {
      node {
        id
        vin
        brand
        model
        lastSeenAt
        navigation {
          location {
            latitude longitude status reason capturedAt
          }
          speed { value unit status reason }
        }
        diagnostics {
          odometer { value unit status reason }
          troubleCodes(held: true) {
            ecu code
            explanation { system group failureType }
          }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  `# The last trips of every vehicle, with their tracks.
query Trips {
  vehicles(first: 10) {
    edges {
      node {
        vin
        navigation {
          trips(first: 5) {
            edges {
              node {
                startedAt endedAt distanceM durationS
                track(maxPoints: 5) {
                  pointCount
                  points {
                    capturedAt latitude longitude speed
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
`,
  `# How far the read models have followed the log.
query Status {
  status {
    logPosition
    projections { name version position lag parked }
  }
}
`,
];

// A link may bring a query of its own: /graphql?query=…
const asked = new URLSearchParams(window.location.search).get("query");

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql" }),
    defaultQuery: tabs[0],
    query: asked ?? undefined,
    defaultTabs: tabs.map((query) => ({ query })),
  }),
);
