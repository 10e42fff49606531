"""The half of a bundle that travels: reading it, running its model, verifying it on a device.

Exporting is `reports.bundle`. These files run on the device too: Python 3.7, standard library,
NumPy and the engine's own runtime only.
"""
