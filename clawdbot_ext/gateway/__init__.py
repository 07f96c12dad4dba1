"""The gateway: method table, dispatch, runs, broadcast, authentication. Knows neither HTTP nor SQL."""
