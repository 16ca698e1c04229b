"""Ratings in time: what a user did, cut into sessions, and parts of them to learn from and to be measured on."""
