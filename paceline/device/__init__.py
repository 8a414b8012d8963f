"""The agent as a service of this device: installed, looked after, taken off again.

`plan` and `removal` decide (pure), `perform` does; `closure` and `slot` make the environment that
the service runs from. Everything is below a root, which may be an image that is being built.
"""
