"""A store in an object store: objects, leases, and a cache of what was read."""
