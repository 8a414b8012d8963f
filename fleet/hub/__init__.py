"""The hub: one place that hears a whole site, keeps it for a while, and shows it.

    broker -> listening -> site state -> views -> pages, JSON, metrics
                              |
                            store (what survives a restart)

What is shown anywhere is a view of `fleet.hub.views`: pages, ``/api/v1`` and ``paceline top`` say
the same. State and views are pure; the broker, the database and HTTP are shells around them.
"""
