"""HTTP on both sides: doors, tokens and key sets, admission, headers, problems (RFC 9457), cursors, and the client."""
