-- What turned what a car sent into the samples of a stream, from a batch on: as the batches themselves have told.
CREATE TABLE stream_origins (
    vehicle_id uuid NOT NULL,
    stream_id text NOT NULL,
    from_sequence bigint NOT NULL,
    decoder text NOT NULL,
    mapping text NOT NULL,
    PRIMARY KEY (vehicle_id, stream_id, from_sequence)
);

-- The same as append_consumed, together with what batches have told of their origin. What is known already is not kept again.
CREATE FUNCTION append_with_origins(
    ids uuid[], versions bigint[], topics text[], states bytea[],
    vehicle_ids uuid[], stream_ids text[],
    old_sequences bigint[], old_missing text[], old_final boolean[],
    new_sequences bigint[], new_missing text[], new_final boolean[],
    registered_ids uuid[], vins text[], brands text[], models text[], registration_times bigint[],
    sources text[], old_positions bigint[], new_positions bigint[],
    origin_vehicle_ids uuid[], origin_stream_ids text[], from_sequences bigint[], decoders text[], mappings text[]
) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    head bigint;
BEGIN
    head := append_consumed(
        ids, versions, topics, states,
        vehicle_ids, stream_ids, old_sequences, old_missing, old_final, new_sequences, new_missing, new_final,
        registered_ids, vins, brands, models, registration_times,
        sources, old_positions, new_positions
    );
    FOR n IN 1 .. cardinality(origin_vehicle_ids) LOOP
        INSERT INTO stream_origins (vehicle_id, stream_id, from_sequence, decoder, mapping)
            SELECT origin_vehicle_ids[n], origin_stream_ids[n], from_sequences[n], decoders[n], mappings[n]
            WHERE (decoders[n], mappings[n]) IS DISTINCT FROM (
                SELECT (o.decoder, o.mapping) FROM stream_origins AS o
                WHERE o.vehicle_id = origin_vehicle_ids[n] AND o.stream_id = origin_stream_ids[n] AND o.from_sequence <= from_sequences[n]
                ORDER BY o.from_sequence DESC LIMIT 1
            )
            ON CONFLICT (vehicle_id, stream_id, from_sequence) DO NOTHING;
    END LOOP;
    RETURN head;
END
$body$;

-- When the projection last wrote the vehicle, microseconds since 1970-01-01T00:00:00Z; null: before that was kept.
ALTER TABLE projection_vehicles ADD COLUMN projected_at bigint;
