-- A batch that waits for its vehicle, whose history cannot be read: whole. All others of that vehicle come after it.
ALTER TABLE set_aside ADD COLUMN waits_for uuid;
CREATE INDEX set_aside_waiting ON set_aside (waits_for) INCLUDE (length) WHERE waits_for IS NOT NULL;

-- Bad records beyond those that are kept, by partition and reason, without what is of one record only.
CREATE TABLE set_aside_counted (
    source text NOT NULL,
    reason text NOT NULL,
    records bigint NOT NULL,
    first_position bigint NOT NULL, -- of records in their source
    last_position bigint NOT NULL,
    first_at bigint NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    last_at bigint NOT NULL,
    PRIMARY KEY (source, reason)
);
