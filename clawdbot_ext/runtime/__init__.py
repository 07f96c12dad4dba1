"""Facts of this machine and this user: state directory, lock, lease, secrets, the running gateway's address."""
