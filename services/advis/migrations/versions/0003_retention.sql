-- What is over is found by an index.

CREATE INDEX inbox_received_ix ON inbox (received_at);
CREATE INDEX notification_arrived_ix ON notification (arrived_at);
CREATE INDEX notification_ended_ix ON notification (changed_at) WHERE state IN ('handled', 'cancelled');
DROP INDEX notification_changed_ix;
