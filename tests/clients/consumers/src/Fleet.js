// What Relay's compiler makes of our schema: a page that goes on, and one vehicle that is fetched again by its id.
import { graphql } from "relay-runtime";

export const query = graphql`
  query FleetQuery($count: Int!, $after: String) {
    ...Fleet_page @arguments(count: $count, after: $after)
  }
`;

export const page = graphql`
  fragment Fleet_page on Query
  @argumentDefinitions(count: { type: "Int!" }, after: { type: "String" })
  @refetchable(queryName: "FleetPageQuery") {
    vehicles(first: $count, after: $after) @connection(key: "Fleet_vehicles") {
      edges {
        node {
          vin
          ...Fleet_vehicle
        }
      }
    }
  }
`;

export const vehicle = graphql`
  fragment Fleet_vehicle on Vehicle @refetchable(queryName: "FleetVehicleQuery") {
    navigation {
      speed {
        value
        status
      }
    }
  }
`;
