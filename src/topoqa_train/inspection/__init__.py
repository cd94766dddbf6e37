"""Commands that only read: leaderboard, monitor, summarise, config, data and plugin listings."""
