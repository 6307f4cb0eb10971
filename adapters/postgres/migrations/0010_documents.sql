-- Documents of GraphQL that the operator trusts, by the SHA-256 of their UTF-8.
CREATE TABLE trusted_documents (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    document text NOT NULL,
    registered_at bigint NOT NULL
);
