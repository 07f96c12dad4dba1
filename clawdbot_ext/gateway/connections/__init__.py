"""Connected clients: handshake, events, presence, nodes."""
