"""Contract suites: what every command, model, data set and launcher must do, ours too.

A plugin's own tests subclass a suite and name the implementation; pytest collects the rest.
"""
