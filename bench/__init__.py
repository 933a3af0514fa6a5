"""The engine: data, training, attacks, scoring, and the plan that joins them."""
