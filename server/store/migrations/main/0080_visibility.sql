-- Documents that wait for a decision about masks, the longest waiting first.
CREATE INDEX mask_scans_waiting ON mask_scans (municipality_id, at, document_id) WHERE pending > 0;
