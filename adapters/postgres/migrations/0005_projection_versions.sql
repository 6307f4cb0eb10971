-- The versions of projections that are kept beside each other. One that is not here yet has only the version that the code names, which is shown.
CREATE TABLE projection_versions (
    projection text NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'ready')), -- ready: it follows the log
    until_position bigint NOT NULL, -- of the log, up to which it is filled vehicle by vehicle; from there on it follows
    from_position bigint NOT NULL, -- after which it was filled; 0: from the beginning
    vehicle_ids uuid[], -- that it is limited to; null: all
    PRIMARY KEY (projection, version)
);

-- Which version of each projection is shown, and which was before it.
CREATE TABLE shown_projections (
    projection text PRIMARY KEY,
    version bigint NOT NULL,
    previous bigint,
    switched_at bigint NOT NULL -- microseconds since 1970-01-01T00:00:00Z
);
