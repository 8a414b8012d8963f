"""The hub over HTTP: the page, ``/api/v1``, ``/metrics``; all of it comes from a `Monitor`."""
