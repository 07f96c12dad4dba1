"""Authentication, authorization, rate limits and paired devices."""
