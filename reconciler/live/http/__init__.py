"""HTTP to one service: connections, requests and their repetition, rate, credentials, answers."""
