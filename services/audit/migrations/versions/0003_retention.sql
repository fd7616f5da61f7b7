-- What is over is found by an index.

CREATE INDEX inbox_received_ix ON inbox (received_at);
