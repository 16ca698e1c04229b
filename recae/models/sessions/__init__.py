"""Models that read the order of events: item to item counts, neighbouring sessions, recurrent networks."""
