-- The newest time, by the vehicle's clock, of what a projection keeps of it that tells when it was seen (adapters.twins.SEEN_ROWS), microseconds since
-- 1970-01-01T00:00:00Z; null: none of that. It only goes up, as the times of these rows do. Vehicles are put in order by it, of which there may be very many.
ALTER TABLE projection_vehicles ADD COLUMN seen_at bigint;

-- Of what was there before.
DO $body$
DECLARE
    kept record;
BEGIN
    FOR kept IN
        SELECT s.projection, s.version, format('%I', format('%s_v%s_%s', s.projection, s.version, t.name)) AS rows_of
        FROM (SELECT DISTINCT v.projection, v.version FROM projection_vehicles AS v) AS s
        CROSS JOIN unnest('{signals,trouble_codes}'::text[]) AS t (name)
        WHERE to_regclass(format('%I', format('%s_v%s_%s', s.projection, s.version, t.name))) IS NOT NULL
    LOOP
        EXECUTE format(
            'UPDATE projection_vehicles AS v SET seen_at = greatest(v.seen_at, r.captured_at)'
            ' FROM (SELECT vehicle_id, max(captured_at) AS captured_at FROM %s GROUP BY vehicle_id) AS r'
            ' WHERE v.projection = %L AND v.version = %s AND v.vehicle_id = r.vehicle_id',
            kept.rows_of, kept.projection, kept.version
        );
    END LOOP;
END
$body$;

-- When each vehicle that the caller may see was seen last, by these versions of projections: of very many vehicles much sooner than by a policy that is
-- asked for every row. Whom it is read as is decided as in own_vehicles (0008_brands.sql); not set: no rows.
DO $body$
BEGIN
    EXECUTE format(
        'CREATE FUNCTION vehicles_seen(projections text[], versions bigint[]) RETURNS TABLE (vehicle_id uuid, seen_at bigint)'
        ' LANGUAGE sql STABLE SECURITY DEFINER ROWS 100000 SET search_path = %I, pg_temp AS $sql$'
        ' SELECT v.vehicle_id, max(v.seen_at) FROM projection_vehicles AS v JOIN directory AS d USING (vehicle_id)'
        ' WHERE (v.projection, v.version) IN (SELECT * FROM unnest(projections, versions))'
        ' AND (current_setting(''role'') <> ''fleettwin_api'' OR d.brand = ANY (string_to_array(current_setting(''fleettwin.brands'', true), E''\x1f'')))'
        ' GROUP BY v.vehicle_id $sql$',
        current_schema()
    );
END
$body$;
REVOKE EXECUTE ON FUNCTION vehicles_seen(text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vehicles_seen(text[], bigint[]) TO fleettwin_api;
