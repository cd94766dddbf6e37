"""Contract suites: what every model, data set and launcher must do, ours and a plugin's.

A plugin's own tests subclass a suite and name the implementation; pytest collects the rest.
"""
