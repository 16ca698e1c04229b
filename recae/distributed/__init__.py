"""Several processes that fit one model: which one this is, how they communicate, how they divide rows."""
