-- Who was shown personal data of which vehicles, and which: one row for vehicles of which the same was shown in one request. It is written before
-- the answer is given. The API adds to it, and can neither read nor change it. There is no VIN in it.
CREATE TABLE access_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, -- microseconds since 1970-01-01T00:00:00Z
    request_id uuid NOT NULL,
    client text NOT NULL,
    subject text NOT NULL,
    vehicle_ids uuid[] NOT NULL,
    fields text[] NOT NULL -- of the schema (Navigation.trips), or paths of signals
);
CREATE INDEX access_records_vehicles_idx ON access_records USING gin (vehicle_ids);
ALTER TABLE access_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON access_records TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY new_rows ON access_records FOR INSERT TO fleettwin_api WITH CHECK (true);
GRANT INSERT ON access_records TO fleettwin_api;
