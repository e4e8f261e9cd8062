-- The broker's access token of each API key, encrypted with the home's key; workers wait here for a new one.
CREATE TABLE broker_sessions (
    provider text NOT NULL,
    api_key text NOT NULL,
    user_id text NOT NULL,
    access_token bytea NOT NULL,
    logged_in_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, api_key)
);
