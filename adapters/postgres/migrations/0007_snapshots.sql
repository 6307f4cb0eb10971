-- The rows of vehicles after blocks of their events: what the past is folded from. All of it follows from the log, and may be deleted at any time.
-- `fold` tells the program that folded: one that folds otherwise does not see it.
CREATE TABLE snapshot_blocks (
    fold bigint NOT NULL,
    vehicle_id uuid NOT NULL,
    after_version bigint NOT NULL,
    to_version bigint NOT NULL,
    from_position bigint NOT NULL,
    to_position bigint NOT NULL,
    first_told bigint NOT NULL, -- the first moment that the events of the block tell of, by the vehicle's clock
    all_told_by bigint NOT NULL, -- the last that they, or those of a block before it, tell of
    PRIMARY KEY (fold, vehicle_id, to_version)
);

-- Of one projection: all rows that are not one for each thing that happened.
CREATE TABLE snapshot_states (
    fold bigint NOT NULL,
    vehicle_id uuid NOT NULL,
    to_version bigint NOT NULL,
    projection text NOT NULL,
    rows text NOT NULL, -- JSON: for each of its types, in their order, the rows without their vehicle
    PRIMARY KEY (fold, vehicle_id, to_version, projection)
);

-- Rows of the other types as they were after the block that wrote them.
CREATE TABLE snapshot_rows (
    fold bigint NOT NULL,
    vehicle_id uuid NOT NULL,
    kind text NOT NULL, -- projection and table
    key text NOT NULL, -- JSON, without the vehicle
    to_version bigint NOT NULL,
    started_at bigint, -- where the type has it
    ended_at bigint,
    row text, -- JSON, without the vehicle; null: deleted
    PRIMARY KEY (fold, vehicle_id, kind, key, to_version)
);
