"""The gateway as a service of the operating system."""
