"""What is measured on masks: phase fractions and the statistics of fields."""
