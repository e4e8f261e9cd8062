-- Tokens that let a computer join as a node, each once. The secret itself is nowhere: its SHA-256 is the key of the
-- proof that a join request carries. used_request is the request's own time: the same request again has the same answer;
-- used_us is the time of that answer. Both in microseconds, as in the records.
CREATE TABLE join_tokens (
    id text PRIMARY KEY,
    secret_sha256 bytea NOT NULL,
    approve boolean NOT NULL,
    tags text[] NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_by text,
    used_request bigint,
    used_us bigint
);

-- Every command that was written, and what became of it: kept when Kafka has long forgotten it.
CREATE TABLE command_audit (
    id text PRIMARY KEY,
    node text,
    verb text,
    task text,
    package text,
    arguments jsonb,
    signer text,
    sequence bigint,
    actor text,
    issued_at timestamptz,
    expires_at timestamptz,
    fate text NOT NULL DEFAULT 'requested',
    reason text NOT NULL DEFAULT '',
    answered_at timestamptz
);
CREATE INDEX command_audit_task ON command_audit (task, issued_at);
CREATE INDEX command_audit_issued ON command_audit (issued_at);
