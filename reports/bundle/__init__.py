"""The deployable bundle: a trial's model with all that a device needs to run and to verify it.

What travels along and runs there is `evaluators.bundle`; its `folder` says what lies in a bundle.
"""
