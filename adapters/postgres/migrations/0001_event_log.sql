-- The event log. Rows of stored_events are never changed and never deleted.
CREATE TABLE stored_events (
    notification_id bigint NOT NULL,
    recorded_at bigint NOT NULL,
    originator_version bigint NOT NULL,
    originator_id uuid NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON stored_events (notification_id);

-- How far each stream of batches has been taken.
CREATE TABLE stream_progress (
    vehicle_id uuid NOT NULL,
    stream_id text NOT NULL,
    last_sequence bigint NOT NULL,
    missing int8multirange NOT NULL,
    final boolean NOT NULL,
    PRIMARY KEY (vehicle_id, stream_id)
);

-- The registered vehicles; besides one event the only place that has a VIN.
CREATE TABLE directory (
    vehicle_id uuid PRIMARY KEY,
    vin text NOT NULL CONSTRAINT directory_vin_key UNIQUE,
    brand text NOT NULL,
    model text,
    registered_at bigint NOT NULL
);

-- Appends events and returns the position before the first of them.
--
-- Insert order is commit order: the lock is held until the commit, and each statement sees what was committed when it began, so that the head of the
-- log is read after the lock was got. Positions of a transaction that failed are used again: there are no holes. The lock is advisory, because one on
-- the table would also wait for a vacuum of it, which on a long log takes hours. Its key keeps clear of other programs' locks ("flee" in ASCII).
CREATE FUNCTION append_events(ids uuid[], versions bigint[], topics text[], states bytea[]) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    head bigint;
    moment bigint;
BEGIN
    PERFORM pg_advisory_xact_lock((x'666C6565'::bigint << 32) + 'stored_events'::regclass::oid::bigint);
    SELECT notification_id, recorded_at INTO head, moment FROM stored_events ORDER BY notification_id DESC LIMIT 1;
    head := coalesce(head, 0);
    moment := greatest(moment, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    INSERT INTO stored_events (notification_id, recorded_at, originator_version, originator_id, topic, state)
        SELECT head + e.number, moment, e.version, e.id, e.topic, e.state
        FROM unnest(ids, versions, topics, states) WITH ORDINALITY AS e (id, version, topic, state, number);
    PERFORM pg_notify('stored_events', '');
    RETURN head;
END
$body$;

-- The same together with new vehicles and with how far streams were taken, provided that each stream is where the writer believes it to be.
CREATE FUNCTION append_with_progress(
    ids uuid[], versions bigint[], topics text[], states bytea[],
    vehicle_ids uuid[], stream_ids text[],
    old_sequences bigint[], old_missing text[], old_final boolean[],
    new_sequences bigint[], new_missing text[], new_final boolean[],
    registered_ids uuid[], vins text[], brands text[], models text[], registration_times bigint[]
) RETURNS bigint
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM pg_advisory_xact_lock((x'666C6565'::bigint << 32) + 'stored_events'::regclass::oid::bigint);
    -- One statement a stream: a join with unnest() would be planned anew each time, which takes longer than all the rest.
    FOR n IN 1 .. cardinality(vehicle_ids) LOOP
        UPDATE stream_progress
            SET last_sequence = new_sequences[n], missing = new_missing[n]::int8multirange, final = new_final[n]
            WHERE vehicle_id = vehicle_ids[n] AND stream_id = stream_ids[n] AND last_sequence = old_sequences[n]
                AND missing = old_missing[n]::int8multirange AND final = old_final[n];
        IF NOT FOUND THEN
            INSERT INTO stream_progress (vehicle_id, stream_id, last_sequence, missing, final)
                SELECT vehicle_ids[n], stream_ids[n], new_sequences[n], new_missing[n]::int8multirange, new_final[n]
                WHERE old_sequences[n] = 0
                ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RAISE unique_violation
                    USING MESSAGE = 'another writer has taken this stream further', CONSTRAINT = 'stream_progress_pkey';
            END IF;
        END IF;
    END LOOP;
    IF cardinality(registered_ids) > 0 THEN
        INSERT INTO directory (vehicle_id, vin, brand, model, registered_at)
            SELECT * FROM unnest(registered_ids, vins, brands, models, registration_times);
    END IF;
    IF cardinality(ids) = 0 THEN
        RETURN 0;
    END IF;
    RETURN append_events(ids, versions, topics, states);
END
$body$;
