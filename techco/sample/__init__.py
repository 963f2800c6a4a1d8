"""The parts of the sample shop: what is asked for, what is written, and what a correct report must then show."""
