"""Measurements on masks: cleaning, phase fractions, statistics of fields."""
