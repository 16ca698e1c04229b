"""Networks over sparse rows of ratings: what the models that are learnt in epochs train."""
