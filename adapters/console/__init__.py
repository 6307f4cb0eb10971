"""The console: a page that shows the fleet in a browser, and that asks nothing but the public GraphQL API."""
