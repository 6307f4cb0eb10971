-- How far each source of batches was read (a partition of a Kafka topic): what comes next.
CREATE TABLE consumed_positions (
    source text PRIMARY KEY,
    position bigint NOT NULL
);

-- Records of a source that are no batch, or one that no vehicle takes.
CREATE TABLE set_aside (
    source text NOT NULL,
    position bigint NOT NULL, -- of the record in its source
    reason text NOT NULL,
    key bytea,
    value bytea, -- its first bytes, where it is long
    length bigint NOT NULL, -- of the whole value, bytes
    set_aside_at bigint NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    PRIMARY KEY (source, position)
);

-- The same as append_with_progress, together with how far sources were read, provided that each is where the reader believes it to be.
CREATE FUNCTION append_consumed(
    ids uuid[], versions bigint[], topics text[], states bytea[],
    vehicle_ids uuid[], stream_ids text[],
    old_sequences bigint[], old_missing text[], old_final boolean[],
    new_sequences bigint[], new_missing text[], new_final boolean[],
    registered_ids uuid[], vins text[], brands text[], models text[], registration_times bigint[],
    sources text[], old_positions bigint[], new_positions bigint[]
) RETURNS bigint
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM pg_advisory_xact_lock((x'666C6565'::bigint << 32) + 'stored_events'::regclass::oid::bigint);
    FOR n IN 1 .. cardinality(sources) LOOP
        UPDATE consumed_positions SET position = new_positions[n] WHERE source = sources[n] AND position = old_positions[n];
        IF NOT FOUND THEN
            INSERT INTO consumed_positions (source, position)
                SELECT sources[n], new_positions[n] WHERE old_positions[n] = 0
                ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RAISE unique_violation
                    USING MESSAGE = 'another reader has read this source further', CONSTRAINT = 'consumed_positions_pkey';
            END IF;
        END IF;
    END LOOP;
    RETURN append_with_progress(
        ids, versions, topics, states,
        vehicle_ids, stream_ids, old_sequences, old_missing, old_final, new_sequences, new_missing, new_final,
        registered_ids, vins, brands, models, registration_times
    );
END
$body$;
