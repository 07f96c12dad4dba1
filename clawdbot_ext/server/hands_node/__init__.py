"""The Jupyter server as a node of the gateway: notebooks that no page has open, files, and kernels.

``node`` dispatches the commands, ``connection`` connects it with the gateway in this process or in another one. Nothing
here is imported before the gateway starts, so that a Lab's start does not wait.
"""
