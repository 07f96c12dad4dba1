"""The tests: a folder a package of ``clawdbot_ext``, and here on top what holds for the project as a whole."""
