"""Many gateways on one database: their membership, the home of each session, and the messages between them."""
