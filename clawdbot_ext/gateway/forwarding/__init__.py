"""Many gateways on one database: requests and events of a session go through the gateway that is its home."""
