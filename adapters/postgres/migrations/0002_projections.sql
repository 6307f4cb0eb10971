-- How far each projection has taken the log. The tables of rows are made from the projections themselves.

CREATE TABLE projection_positions (
    projection text NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL, -- of the last event that was folded, or passed over for a parked vehicle
    PRIMARY KEY (projection, version)
);

CREATE TABLE projection_vehicles (
    projection text NOT NULL,
    version bigint NOT NULL,
    vehicle_id uuid NOT NULL,
    last_version bigint NOT NULL, -- of the vehicle's last event that was folded
    PRIMARY KEY (projection, version, vehicle_id)
);

CREATE TABLE parked_vehicles (
    projection text NOT NULL,
    version bigint NOT NULL,
    vehicle_id uuid NOT NULL,
    event_version bigint NOT NULL, -- of the event that failed
    position bigint NOT NULL, -- of the event that failed
    error text NOT NULL,
    attempts bigint NOT NULL,
    parked_at bigint NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    PRIMARY KEY (projection, version, vehicle_id)
);
