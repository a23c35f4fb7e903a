"""The data plane of the embedded AWS: what the API says runs, runs."""
