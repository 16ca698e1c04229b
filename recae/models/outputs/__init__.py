"""From outputs of rating networks to ratings: identity, sigmoid, SELU, and a distribution over ordered levels."""
