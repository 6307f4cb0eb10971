-- How far a projection has read each partition of a topic of events.
CREATE TABLE projection_sources (
    projection text NOT NULL,
    version bigint NOT NULL,
    source text NOT NULL,
    next bigint NOT NULL, -- what is read next; 0: nothing has been read yet
    complete bigint NOT NULL DEFAULT 0, -- the position of the log up to which all events of the partition are folded
    PRIMARY KEY (projection, version, source)
);

-- The newest version of the events of a parked vehicle that were left out.
ALTER TABLE parked_vehicles ADD COLUMN newest_version bigint NOT NULL DEFAULT 0;
UPDATE parked_vehicles SET newest_version = event_version;
ALTER TABLE parked_vehicles ALTER COLUMN newest_version DROP DEFAULT;
