-- A brand sees its own vehicles only, whatever it is asked for on its behalf: requests are read as the role fleettwin_api, which owns nothing and
-- may not pass by the policies below. It has no login: who may become it does so for one transaction, and says there which brands it reads for.
DO $body$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleettwin_api') THEN
            CREATE ROLE fleettwin_api NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN -- another database of this server has made it just now
        NULL;
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleettwin_api' AND (rolsuper OR rolbypassrls)) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the role fleettwin_api may pass by policies';
    END IF;
    IF current_setting('server_version_num')::int < 160000 THEN
        IF NOT pg_has_role(current_user, 'fleettwin_api', 'MEMBER') THEN
            GRANT fleettwin_api TO CURRENT_USER;
        END IF;
    ELSIF NOT pg_has_role(current_user, 'fleettwin_api', 'SET') THEN
        EXECUTE 'GRANT fleettwin_api TO CURRENT_USER WITH INHERIT FALSE, SET TRUE';
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO fleettwin_api', current_schema());
END
$body$;

-- The brands come as texts with a unit separator between them. Not set: no rows. They are worked out once a statement, hence the sub-select.
CREATE INDEX directory_brand_idx ON directory (brand, vehicle_id);
ALTER TABLE directory ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON directory TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY own_vehicles ON directory FOR SELECT TO fleettwin_api
    USING (brand = ANY ((SELECT string_to_array(current_setting('fleettwin.brands', true), E'\x1f'))::text[]));
GRANT SELECT ON directory TO fleettwin_api;

-- Makes a table whose rows are each of one vehicle show the API those of vehicles that the directory shows it. Doing it twice changes nothing.
-- OFFSET keeps the planner from reading the whole directory first.
CREATE FUNCTION protect_vehicles(of_vehicles regclass, vehicle_column text) RETURNS void
LANGUAGE plpgsql AS $body$
BEGIN
    IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = of_vehicles) THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', of_vehicles);
    EXECUTE format('CREATE POLICY all_rows ON %s TO CURRENT_USER USING (true) WITH CHECK (true)', of_vehicles);
    EXECUTE format(
        'CREATE POLICY own_vehicles ON %s FOR SELECT TO fleettwin_api'
        ' USING (EXISTS (SELECT FROM directory AS d WHERE d.vehicle_id = %s.%I OFFSET 0))',
        of_vehicles, of_vehicles, vehicle_column
    );
    EXECUTE format('GRANT SELECT ON %s TO fleettwin_api', of_vehicles);
END
$body$;

SELECT protect_vehicles('stored_events', 'originator_id');
-- The others that there are, the rows of every version of a projection among them.
SELECT protect_vehicles(a.attrelid::regclass, 'vehicle_id')
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attname = 'vehicle_id' AND NOT a.attisdropped AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname;

-- A version that is limited to some vehicles names them. Whoever is not the owner has no need to know of it.
ALTER TABLE projection_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON projection_versions TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY of_all_vehicles ON projection_versions FOR SELECT TO fleettwin_api USING (vehicle_ids IS NULL);
-- The key of a record is the id of a vehicle, or of what somebody took for one: for nobody but the owner.
ALTER TABLE set_aside ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON set_aside TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON projection_versions, projection_positions, shown_projections TO fleettwin_api;
REVOKE SELECT ON stream_progress FROM fleettwin_api;

-- What everyone may know of the log: how far it is, and when an event was recorded, not of which vehicle.
DO $body$
BEGIN
    EXECUTE format(
        'CREATE FUNCTION log_end(OUT log_position bigint, OUT recorded_at bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = %I, pg_temp'
        ' AS $sql$ SELECT n.notification_id, n.recorded_at FROM stored_events AS n ORDER BY n.notification_id DESC LIMIT 1 $sql$',
        current_schema()
    );
    EXECUTE format(
        'CREATE FUNCTION log_recorded_at(log_position bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = %I, pg_temp'
        ' AS $sql$ SELECT n.recorded_at FROM stored_events AS n WHERE n.notification_id = log_position $sql$',
        current_schema()
    );
END
$body$;
REVOKE EXECUTE ON FUNCTION log_end(), log_recorded_at(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_end(), log_recorded_at(bigint) TO fleettwin_api;
